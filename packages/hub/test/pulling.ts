import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach } from "vitest";
import { pullModel, type PulledModel, type PullEvent, type PullOptions } from "../src/index.js";
import { FakeHub } from "./fake-hub.js";

/** A fake hub and an empty cache, anew for each test. */
export interface Pulling {
  readonly hub: FakeHub;
  readonly cache: string;
  /** What the last pull told. */
  readonly events: PullEvent[];
  pull(model: string, more?: Partial<PullOptions>): Promise<PulledModel>;
  /** What is in the folder of a repository, with links as they lie; locks and records left out. */
  tree(repository: string): Promise<readonly string[]>;
}

export function pulling(): Pulling {
  let hub: FakeHub;
  let cache: string;
  const events: PullEvent[] = [];
  beforeEach(async () => {
    hub = await FakeHub.start();
    cache = await mkdtemp(path.join(tmpdir(), "sightline-hub-"));
    events.length = 0;
  });
  afterEach(async () => {
    await hub[Symbol.asyncDispose]();
    await rm(cache, { recursive: true, force: true });
  });
  return {
    get hub() {
      return hub;
    },
    get cache() {
      return cache;
    },
    events,
    async pull(model, more = {}) {
      events.length = 0;
      return pullModel(model, { cacheDirectory: cache, endpoint: hub.url, environment: { HF_HOME: cache }, pieceBytes: 8192, connections: 4, retryDelayMs: 1, onProgress: (event) => events.push(event), ...more });
    },
    async tree(repository) {
      const folder = path.join(cache, `models--${repository.replace("/", "--")}`);
      const names = await readdir(folder, { recursive: true }).catch(() => []);
      const files = await Promise.all(names.map(async (name) => ((await stat(path.join(folder, name)).catch(() => undefined))?.isDirectory() ? [] : [name])));
      return files.flat().filter((name) => name !== "sightline.json").sort();
    },
  };
}

/** The bytes of a pulled file, by its name in the repository. */
export async function bytesOf({ files }: PulledModel, name: string): Promise<Buffer> {
  return readFile(files.find(({ path }) => path === name)?.file ?? name);
}
