import { appendFile, open, readFile, rm } from "node:fs/promises";
import { z } from "zod";
import { attemptsFile } from "./run-folder.js";

/** Attempts at a shard that neither ended nor were given back, before its images are looked at one by one. */
const lostBeforeCare = 3;
/** Workers that an image must have ended before it is set aside. */
const lostByImage = 2;

const lineSchema = z.union([z.strictObject({ begin: z.string() }), z.strictObject({ end: z.string() }), z.strictObject({ image: z.string(), by: z.string() })]);

type Line = z.infer<typeof lineSchema>;

/** What earlier attempts at a shard tell. */
export interface AttemptHistory {
  /** Attempts whose worker was lost: killed, crashed, or cut off. */
  readonly lost: number;
  /** Whether images go one by one, each written down before it is read. */
  readonly careful: boolean;
  /** Paths of images that ended workers again and again. */
  readonly poison: ReadonlySet<string>;
}

/**
 * Notes of who began a shard. A native library that crashes on an image takes its worker along and leaves no error: the
 * notes tell that the shard is to blame, and then, image by image, which one.
 */
export class Attempts {
  readonly #file: string;
  readonly #worker: string;

  constructor(run: string, shard: number, worker: string) {
    this.#file = attemptsFile(run, shard);
    this.#worker = worker;
  }

  /** Notes that the worker begins, and says what was before. */
  async begin(): Promise<AttemptHistory> {
    const history = historyOf(await readFile(this.#file, "utf8").catch(() => ""));
    await this.#note({ begin: this.#worker });
    return history;
  }

  /** Notes the image that comes next, so that it is known when it ends the worker. */
  async image(path: string): Promise<void> {
    await this.#note({ image: path, by: this.#worker });
  }

  /** The worker gives the shard back, or failed in a way that it could tell. */
  async end(): Promise<void> {
    await appendFile(this.#file, `${JSON.stringify({ end: this.#worker } satisfies Line)}\n`);
  }

  /** The shard is done. */
  async forget(): Promise<void> {
    await rm(this.#file, { force: true });
  }

  async #note(line: Line): Promise<void> {
    await using handle = await open(this.#file, "a");
    await handle.writeFile(`${JSON.stringify(line)}\n`);
    await handle.datasync();
  }
}

/** @internal Exported for tests. */
export function historyOf(text: string): AttemptHistory {
  const open = new Map<string, string | undefined>();
  let lost = 0;
  const ended = new Map<string, number>();
  const lose = (image: string | undefined): void => {
    lost++;
    if (image !== undefined) ended.set(image, (ended.get(image) ?? 0) + 1);
  };
  for (const line of text.split("\n")) {
    const parsed = lineSchema.safeParse(parseJson(line));
    // A last line that was cut short tells nothing.
    if (!parsed.success) continue;
    const note = parsed.data;
    if ("begin" in note) {
      // The same worker begins again without an end: it was given the shard a second time by a queue that lost sight of it.
      if (open.has(note.begin)) lose(open.get(note.begin));
      open.set(note.begin, undefined);
    } else if ("end" in note) open.delete(note.end);
    else open.set(note.by, note.image);
  }
  for (const image of open.values()) lose(image);
  return { lost, careful: lost >= lostBeforeCare, poison: new Set([...ended].flatMap(([image, times]) => (times >= lostByImage ? [image] : []))) };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
