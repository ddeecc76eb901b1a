import { writeFile } from "node:fs/promises";
import path from "node:path";
import { JsonlLog, loggedEvents, TensorBoardLog, trainingPicture, type TrainingEvent } from "@sightline/contrastive";

/** What a run writes down while it goes on: `log.jsonl`, `tensorboard/`, and `training.svg` at the end. */
export class RunLog implements AsyncDisposable {
  readonly #folder: string;
  readonly #jsonl: JsonlLog;
  readonly #tensorboard: TensorBoardLog;

  private constructor(folder: string, jsonl: JsonlLog, tensorboard: TensorBoardLog) {
    this.#folder = folder;
    this.#jsonl = jsonl;
    this.#tensorboard = tensorboard;
  }

  static async open(folder: string, resumeAt: number | undefined): Promise<RunLog> {
    return new RunLog(folder, await JsonlLog.open(path.join(folder, "log.jsonl"), resumeAt), await TensorBoardLog.open(path.join(folder, "tensorboard"), resumeAt));
  }

  async write(event: TrainingEvent): Promise<void> {
    await this.#jsonl.write(event);
    await this.#tensorboard.write(event);
  }

  /** Draws the curves of the whole run, the steps before it was resumed too. */
  async draw(title: string, samples: "pairs" | "conversations" = "pairs"): Promise<string> {
    const picture = path.join(this.#folder, "training.svg");
    await writeFile(picture, trainingPicture(title, await loggedEvents(path.join(this.#folder, "log.jsonl")), samples), { flush: true });
    return picture;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jsonl[Symbol.asyncDispose]();
    await this.#tensorboard[Symbol.asyncDispose]();
  }
}
