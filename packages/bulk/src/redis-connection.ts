import { Redis } from "ioredis";
import { SightlineError } from "sightline";

const firstTries = 3;
const longestDelayMs = 2000;

/** Where a Redis is, without what opens it. */
export function redisName(url: string): string {
  const { protocol, hostname, port, pathname } = new URL(url);
  return `${protocol}//${hostname}${port === "" ? "" : `:${port}`}${pathname === "/" ? "" : pathname}`;
}

/** @throws SightlineError `bad-input` for what is no address of a Redis; it does not repeat it, for it may hold a password */
export function checkRedisUrl(url: string): void {
  if (URL.canParse(url) && ["redis:", "rediss:"].includes(new URL(url).protocol) && new URL(url).hostname !== "") return;
  throw new SightlineError("bad-input", "bulk: --redis: expected redis://[user:password@]host[:port][/database], or rediss:// for TLS");
}

/** A Redis, and the end of everything that was opened to it. */
export interface RedisConnection {
  readonly redis: Redis;
  /** Ends the connection and those that BullMQ made after it, whether Redis answers or not. */
  close(): void;
}

/**
 * Connects to a Redis. One that does not answer at first is an error; one that goes away later is waited for, until it is closed.
 * @param onAway told once each time it goes away, and `onBack` when it answers again
 * @throws SightlineError `bad-input`
 */
export async function connectRedis(url: string, { onAway, onBack }: { readonly onAway?: (problem: string) => void; readonly onBack?: () => void } = {}): Promise<RedisConnection> {
  checkRedisUrl(url);
  let connected = false;
  let closed = false;
  let isAway = false;
  let problem = "";
  const redis = new Redis(url, {
    lazyConnect: true,
    // BullMQ asks for it: its commands wait until Redis is back.
    maxRetriesPerRequest: null,
    connectTimeout: 5000,
    // Duplicates of the connection have these options too.
    retryStrategy: (times) => (!closed && (connected || times <= firstTries) ? Math.min(longestDelayMs, 100 * 2 ** times) : null),
  });
  redis.on("error", (error: Error) => {
    problem = error.message;
    if (!connected || isAway) return;
    isAway = true;
    onAway?.(problem);
  });
  redis.on("close", () => {
    if (!connected || isAway || closed) return;
    isAway = true;
    onAway?.("the connection was closed");
  });
  redis.on("ready", () => {
    if (isAway) onBack?.();
    isAway = false;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (cause) {
    redis.disconnect();
    // Redis repeats no password in its answers; the address itself is left out here.
    throw new SightlineError("bad-input", `bulk: no Redis at ${redisName(url)}: ${problem || (cause as Error).message}; start it with: redis-server --maxmemory-policy noeviction --appendonly yes`, { cause });
  }
  connected = true;
  return {
    redis,
    close: () => {
      closed = true;
      redis.disconnect();
    },
  };
}
