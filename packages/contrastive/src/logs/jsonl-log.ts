import { open, readFile, rename, type FileHandle } from "node:fs/promises";
import type { TrainingEvent } from "../trainer/training-event.js";

/** One line of JSON an event, appended as it comes and flushed to disk with each evaluation and checkpoint. */
export class JsonlLog implements AsyncDisposable {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /**
   * Opens a log to add to; its folder must be there.
   * @param resumeAt the step that the run goes on from; lines after it, of steps that are taken again, are cut off
   */
  static async open(path: string, resumeAt = 0): Promise<JsonlLog> {
    const before = await loggedEvents(path);
    const partial = `${path}.partial`;
    {
      await using file = await open(partial, "w");
      for (const event of before) if (event.step <= resumeAt) await file.appendFile(`${JSON.stringify(event)}\n`);
      await file.sync();
    }
    await rename(partial, path);
    return new JsonlLog(await open(path, "a"));
  }

  /** Adds an event as one line, on disk when the promise resolves. */
  async write(event: TrainingEvent): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(event)}\n`);
    if (event.type !== "step-end") await this.#file.sync();
  }

  /** Closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
  }
}

/** The events of a log; none where there is no file. The last line may have been cut by a kill, and is then left out. */
export async function loggedEvents(path: string): Promise<readonly TrainingEvent[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line) as TrainingEvent];
    } catch {
      return [];
    }
  });
}
