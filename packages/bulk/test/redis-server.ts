import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import { Redis } from "ioredis";

/** Whether tests can run against a real Redis; says loudly what is skipped where they cannot, or fails where they must. */
export function hasRedisServer(): boolean {
  if (spawnSync("redis-server", ["--version"]).status === 0) return true;
  if (process.env["SIGHTLINE_REDIS_TESTS"] === "required") throw new Error("SIGHTLINE_REDIS_TESTS is required, and there is no redis-server; install it: apt-get install redis-server");
  process.stderr.write("\nSKIPPED: the tests of bulk work through Redis, because there is no redis-server (apt-get install redis-server)\n\n");
  return false;
}

/** A Redis of a test's own, with its data in a folder, so that it can be stopped and started. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #arguments: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(port: number, folder: string, more: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#arguments = more;
  }

  static async start(folder: string, ...more: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), folder, more);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    this.#child = spawn("redis-server", ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.#folder, "--maxmemory-policy", "noeviction", "--appendonly", "yes", "--save", "", ...this.#arguments], { stdio: "ignore" });
    const redis = new Redis(this.port, "127.0.0.1", { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    redis.on("error", () => undefined);
    // One that asks for a password answers too.
    await redis.ping().catch((error: Error) => {
      if (!/NOAUTH/.test(error.message)) throw error;
    });
    redis.disconnect();
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await Promise.race([ended, setTimeout(5000)]);
    child.kill("SIGKILL");
    await ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
