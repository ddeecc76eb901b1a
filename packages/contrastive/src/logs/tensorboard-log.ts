import { open, mkdir, type FileHandle } from "node:fs/promises";
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

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @param resumeAt TensorBoard drops what earlier files say of later steps */
  static async open(folder: string, resumeAt = 0, now: () => number = Date.now): Promise<TensorBoardLog> {
    await mkdir(folder, { recursive: true });
    const seconds = Math.floor(now() / 1000);
    const file = await open(path.join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.sightline`), "a");
    const log = new TensorBoardLog(file);
    await log.#append(eventBytes(now() / 1000, 0, (event) => event.tag(eventFields.fileVersion, WireType.LengthDelimited).string("brain.Event:2")));
    if (resumeAt > 0) {
      const status = new BinaryWriter().tag(1, WireType.Varint).int32(sessionStart).finish();
      await log.#append(eventBytes(now() / 1000, resumeAt + 1, (event) => event.tag(eventFields.sessionLog, WireType.LengthDelimited).bytes(status)));
    }
    return log;
  }

  async write(event: TrainingEvent, now: () => number = Date.now): Promise<void> {
    const scalars = scalarsOf(event);
    if (scalars.length === 0) return;
    const summary = new BinaryWriter();
    for (const [name, value] of scalars) {
      const scalar = new BinaryWriter().tag(1, WireType.LengthDelimited).string(name).tag(2, WireType.Bit32).float(value).finish();
      summary.tag(1, WireType.LengthDelimited).bytes(scalar);
    }
    const bytes = summary.finish();
    await this.#append(eventBytes(now() / 1000, event.step, (writer) => writer.tag(eventFields.summary, WireType.LengthDelimited).bytes(bytes)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
  }

  /** A record: length, its checksum, the data, its checksum (tensorflow/core/lib/io/record_writer). */
  async #append(data: Uint8Array): Promise<void> {
    const record = new Uint8Array(data.length + 16);
    const view = new DataView(record.buffer);
    view.setBigUint64(0, BigInt(data.length), true);
    view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
    record.set(data, 12);
    view.setUint32(12 + data.length, maskedCrc32c(data), true);
    await this.#file.appendFile(record);
  }
}

function eventBytes(wallTime: number, step: number, fill: (event: BinaryWriter) => BinaryWriter): Uint8Array<ArrayBuffer> {
  const event = new BinaryWriter().tag(eventFields.wallTime, WireType.Bit64).double(wallTime).tag(eventFields.step, WireType.Varint).int64(step);
  return fill(event).finish();
}

/** Curves by name: `train/loss`, `eval/imageToText.r1`. */
function scalarsOf(event: TrainingEvent): readonly (readonly [name: string, value: number])[] {
  if (event.type === "eval-end") return Object.entries(event.metrics).map(([name, value]) => [`eval/${name}`, value]);
  if (event.type !== "step-end") return [];
  const { loss, learningRate, gradientNorm, samples, stepMs, figures } = event;
  const all = { loss, learningRate, gradientNorm, samplesPerSecond: (samples / stepMs) * 1000, ...figures };
  return Object.entries(all).map(([name, value]) => [`train/${name}`, value]);
}
