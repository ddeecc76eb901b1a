import { setTimeout as sleep } from "node:timers/promises";
import { HubError } from "../hub-error.js";

/** A failure that may be gone the next time. */
export class PassingFailure extends Error {
  override readonly name: string = "PassingFailure";
  /** What the server asked for. */
  readonly retryAfterMs: number | undefined;
  /** Nobody answered, as without a network. */
  readonly noAnswer: boolean;

  constructor(message: string, options: ErrorOptions & { readonly retryAfterMs?: number | undefined; readonly noAnswer?: boolean } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
    this.noAnswer = options.noAnswer ?? false;
  }
}

export interface RetryOptions {
  /** Tries that bring nothing new before it is given up. */
  readonly attempts: number;
  /** Of them, those where nobody answers; all when left out. */
  readonly attemptsWithoutAnswer?: number;
  /** Pause before the second try, ms; doubled for each further one. */
  readonly firstDelayMs: number;
  readonly signal: AbortSignal;
  readonly onRetry: (retry: { readonly attempt: number; readonly reason: string; readonly waitMs: number }) => void;
}

const longestDelayMs = 30_000;
/** A server that asks for more patience gets none; the message says when to come back. */
const mostPatienceMs = 300_000;

/**
 * Does something until it works. After a passing failure it waits, as long as the server asked (Retry-After) or twice as
 * long each time, and tries again; a try that got further (`progress` has another value) starts the count anew.
 * @throws HubError `unreachable` when it is given up, `rate-limited` when the server asks to wait for minutes
 */
export async function withRetries<T>(work: () => Promise<T>, { attempts, attemptsWithoutAnswer = attempts, firstDelayMs, signal, onRetry }: RetryOptions, progress: () => number = () => 0): Promise<T> {
  let before = progress();
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PassingFailure)) throw error;
      if (progress() !== before) attempt = 1;
      before = progress();
      if (error.retryAfterMs !== undefined && error.retryAfterMs > mostPatienceMs) {
        throw new HubError("rate-limited", `${error.message} and asks to wait ${Math.ceil(error.retryAfterMs / 60_000)} minutes; run the command again then, it goes on where it was`, { cause: error });
      }
      const most = error.noAnswer ? Math.min(attempts, attemptsWithoutAnswer) : attempts;
      if (attempt >= most) throw new HubError("unreachable", `${error.message} (${most} tries); run the command again, it goes on where it was`, { cause: error });
      const waitMs = error.retryAfterMs ?? Math.min(longestDelayMs, firstDelayMs * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2);
      onRetry({ attempt, reason: error.message, waitMs });
      await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** Retry-After in ms: seconds or an HTTP date. */
export function retryAfterMs(header: string | undefined, now: number = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
