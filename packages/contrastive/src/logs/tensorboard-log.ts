import { mkdir, open, readdir, type FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { TrainingEvent } from "../trainer/training-event.js";
import { maskedCrc32c } from "./crc32c.js";

/** Field numbers of tensorflow.Event, Summary, Summary.Value and SessionLog (tensorboard/compat/proto). */
const eventFields = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const sessionStart = 1;

/** Scalars in the event files that TensorBoard reads. */
export class TensorBoardLog implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #now: () => number;

  private constructor(file: FileHandle, now: () => number) {
    this.#file = file;
    this.#now = now;
  }

  /**
   * Begins an event file beside those that are there.
   * @param resumeAt the step that the run goes on from; TensorBoard drops what earlier files say of later steps
   * @param now milliseconds since 1970
   */
  static async open(folder: string, resumeAt = 0, now: () => number = Date.now): Promise<TensorBoardLog> {
    await mkdir(folder, { recursive: true });
    const file = await open(path.join(folder, `events.out.tfevents.${await fileSeconds(folder, now())}.${hostname()}.${process.pid}.sightline`), "wx");
    const log = new TensorBoardLog(file, now);
    await log.#append(0, eventFields.fileVersion, new TextEncoder().encode("brain.Event:2"));
    await log.#append(resumeAt === 0 ? 0 : resumeAt + 1, eventFields.sessionLog, new BinaryWriter().tag(1, WireType.Varint).int32(sessionStart).finish());
    return log;
  }

  /** Adds an event's figures as scalars. */
  async write(event: TrainingEvent): Promise<void> {
    const scalars = scalarsOf(event);
    if (scalars.length === 0) return;
    const summary = new BinaryWriter();
    for (const [name, value] of scalars) {
      const scalar = new BinaryWriter().tag(1, WireType.LengthDelimited).string(name).tag(2, WireType.Bit32).float(value).finish();
      summary.tag(1, WireType.LengthDelimited).bytes(scalar);
    }
    await this.#append(event.step, eventFields.summary, summary.finish());
  }

  /** Closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
  }

  /** An event as a record: length, its checksum, the event, its checksum (tensorflow/core/lib/io/record_writer). */
  async #append(step: number, field: number, value: Uint8Array): Promise<void> {
    const event = new BinaryWriter().tag(eventFields.wallTime, WireType.Bit64).double(this.#now() / 1000).tag(eventFields.step, WireType.Varint).int64(step);
    const data = event.tag(field, WireType.LengthDelimited).bytes(value).finish();
    const record = new Uint8Array(data.length + 16);
    const view = new DataView(record.buffer);
    view.setBigUint64(0, BigInt(data.length), true);
    view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
    record.set(data, 12);
    view.setUint32(12 + data.length, maskedCrc32c(data), true);
    await this.#file.appendFile(record);
  }
}

/** The time in a new file's name: TensorBoard reads files by their names' order, so it is later than that of any file there, whatever the clock says. */
async function fileSeconds(folder: string, now: number): Promise<string> {
  const times = (await readdir(folder)).map((name) => Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? 0));
  return String(Math.max(Math.floor(now / 1000), ...times.map((time) => time + 1))).padStart(10, "0");
}

/** Curves by name: `train/loss`, `eval/imageToText.r1`. */
function scalarsOf(event: TrainingEvent): readonly (readonly [name: string, value: number])[] {
  if (event.type === "eval-end") return Object.entries(event.metrics).map(([name, value]) => [`eval/${name}`, value]);
  if (event.type !== "step-end") return [];
  const { loss, learningRate, gradientNorm, samples, stepMs, figures } = event;
  const all = { loss, learningRate, gradientNorm, samplesPerSecond: (samples / stepMs) * 1000, ...figures };
  return Object.entries(all).map(([name, value]) => [`train/${name}`, value]);
}
