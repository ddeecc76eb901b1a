import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { maskedCrc32c } from "../../src/logs/crc32c.js";
import { TensorBoardLog } from "../../src/logs/tensorboard-log.js";
import { runEvents, stepEnd } from "./run-events.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "tensorboard-log-"));
});
afterEach(() => rm(folder, { recursive: true }));

const clock = (): number => 1_700_000_000_500;

/** The first run to step 8, and one resumed at step 4 that stops after step 5. */
async function writeTwoRuns(): Promise<readonly string[]> {
  {
    await using log = await TensorBoardLog.open(folder, 0, clock);
    for (const event of runEvents()) await log.write(event);
  }
  {
    await using log = await TensorBoardLog.open(folder, 4, clock);
    await log.write(stepEnd(5, { loss: 0.125 }));
  }
  return (await readdir(folder)).sort();
}

interface ReadEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly version?: string;
  readonly sessionStatus?: number;
  readonly scalars: Readonly<Record<string, number>>;
}

describe("TensorBoardLog", () => {
  it("writes records whose checksums hold, of events that say what happened", async () => {
    const [first, second] = await writeTwoRuns();
    const events = readEvents(await readFile(path.join(folder, first as string)));
    expect(events[0]).toEqual({ wallTime: 1_700_000_000.5, step: 0, version: "brain.Event:2", scalars: {} });
    expect(events[1]).toEqual({ wallTime: 1_700_000_000.5, step: 0, sessionStatus: 1, scalars: {} });
    // Eight steps and two evaluations.
    expect(events.slice(2).map(({ step }) => step)).toEqual([1, 2, 3, 4, 4, 5, 6, 7, 8, 8]);
    expect(events[5]?.scalars).toEqual({
      "train/loss": 1,
      "train/learningRate": 0.0625,
      "train/gradientNorm": 1.5,
      "train/samplesPerSecond": 128,
      "train/temperature": 10.5,
      "train/logitBias": -5,
      "train/meanPositiveLogit": 0,
      "train/meanNegativeLogit": -6,
    });
    expect(events[6]?.scalars).toEqual({ "eval/imageToText.r1": 0.25, "eval/textToImage.r1": 0.125 });
    const resumed = readEvents(await readFile(path.join(folder, second as string)));
    expect(resumed.map(({ step, sessionStatus }) => [step, sessionStatus])).toEqual([[0, undefined], [5, 1], [5, undefined]]);
  });

  it("names a later file so that it is read later, even in the same second", async () => {
    const seconds = (await writeTwoRuns()).map((name) => /^events\.out\.tfevents\.(\d{10})\./.exec(name)?.[1]);
    expect(seconds).toEqual(["1700000000", "1700000001"]);
  });

  it("gives the bytes that TensorBoard's own reader was shown", async () => {
    const { files } = JSON.parse(await readFile(new URL("../goldens/tensorboard.json", import.meta.url), "utf8")) as { files: readonly string[] };
    const names = await writeTwoRuns();
    const written = await Promise.all(names.map((name) => readFile(path.join(folder, name), "base64")));
    expect(written).toEqual(files);
  });

  it("is what TensorBoard's own reader makes of it, later steps of the first run left out", async () => {
    const { scalars } = JSON.parse(await readFile(new URL("../goldens/tensorboard.json", import.meta.url), "utf8")) as { scalars: Readonly<Record<string, readonly (readonly [step: number, value: number])[]>> };
    expect(scalars["train/loss"]).toEqual([[1, 4], [2, 2], [3, expect.closeTo(4 / 3, 6)], [4, 1], [5, 0.125]]);
    expect(scalars["eval/imageToText.r1"]).toEqual([[4, 0.25]]);
    expect(Object.keys(scalars)).toHaveLength(10);
  });

  it("leaves other files of the folder alone", async () => {
    await writeFile(path.join(folder, "notes.txt"), "mine");
    await writeTwoRuns();
    expect(await readFile(path.join(folder, "notes.txt"), "utf8")).toBe("mine");
  });
});

/** Records and their events, read without anything of the writer but the checksum, which has tests of its own. */
function readEvents(bytes: Uint8Array): readonly ReadEvent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const events: ReadEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(view.getBigUint64(at, true));
    expect(view.getUint32(at + 8, true)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(view.getUint32(at + 12 + length, true)).toBe(maskedCrc32c(data));
    events.push(readEvent(data));
    at += length + 16;
  }
  return events;
}

function readEvent(data: Uint8Array): ReadEvent {
  let event: ReadEvent = { wallTime: 0, step: 0, scalars: {} };
  const reader = new BinaryReader(data);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) event = { ...event, wallTime: reader.double() };
    else if (field === 2) event = { ...event, step: Number(reader.int64()) };
    else if (field === 3) event = { ...event, version: reader.string() };
    else if (field === 5) event = { ...event, scalars: Object.fromEntries(readMessages(reader.bytes(), 1).map(readValue)) };
    else if (field === 7) {
      const status = new BinaryReader(reader.bytes());
      expect(status.tag()[0]).toBe(1);
      event = { ...event, sessionStatus: status.int32() };
    } else reader.skip(type);
  }
  return event;
}

function readMessages(data: Uint8Array, wanted: number): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = new BinaryReader(data);
  while (reader.pos < reader.len) {
    expect(reader.tag()[0]).toBe(wanted);
    found.push(reader.bytes());
  }
  return found;
}

function readValue(data: Uint8Array): readonly [string, number] {
  const reader = new BinaryReader(data);
  expect(reader.tag()[0]).toBe(1);
  const tag = reader.string();
  expect(reader.tag()[0]).toBe(2);
  return [tag, reader.float()];
}
