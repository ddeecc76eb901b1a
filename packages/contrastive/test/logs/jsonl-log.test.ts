import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JsonlLog, loggedEvents } from "../../src/logs/jsonl-log.js";
import type { TrainingEvent } from "../../src/trainer/training-event.js";
import { runEvents, stepEnd } from "./run-events.js";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "jsonl-log-"));
  file = path.join(folder, "log.jsonl");
});
afterEach(() => rm(folder, { recursive: true }));

async function logAll(events: readonly TrainingEvent[], resumeAt?: number): Promise<void> {
  await using log = await JsonlLog.open(file, resumeAt);
  for (const event of events) await log.write(event);
}

describe("JsonlLog", () => {
  it("has a line an event", async () => {
    await logAll(runEvents());
    const lines = (await readFile(file, "utf8")).split("\n");
    expect(lines.at(-1)).toBe("");
    expect(lines.slice(0, -1).map((line) => JSON.parse(line) as unknown)).toEqual(runEvents());
    expect(await loggedEvents(file)).toEqual(runEvents());
  });

  it("can be read while it is written", async () => {
    await using log = await JsonlLog.open(file);
    await log.write(stepEnd(1));
    expect(await loggedEvents(file)).toEqual([stepEnd(1)]);
  });

  it("cuts off the steps that a resumed run takes again", async () => {
    await logAll(runEvents());
    const again = stepEnd(5, { loss: 0.125 });
    await logAll([again], 4);
    expect(await loggedEvents(file)).toEqual([...runEvents().filter(({ step }) => step <= 4), again]);
    expect(await readdir(folder)).toEqual(["log.jsonl"]);
  });

  it("starts over with a run that starts over", async () => {
    await logAll(runEvents());
    await logAll([stepEnd(1)]);
    expect(await loggedEvents(file)).toEqual([stepEnd(1)]);
  });

  it("goes on after a line that a kill cut in two", async () => {
    await logAll([stepEnd(1), stepEnd(2)]);
    await appendFile(file, JSON.stringify(stepEnd(3)).slice(0, 40));
    await logAll([stepEnd(3)], 2);
    expect(await loggedEvents(file)).toEqual([stepEnd(1), stepEnd(2), stepEnd(3)]);
  });
});

describe("loggedEvents", () => {
  it("finds none where there is no file", async () => {
    expect(await loggedEvents(path.join(folder, "none.jsonl"))).toEqual([]);
  });

  it("reads none from an empty one", async () => {
    await writeFile(file, "");
    expect(await loggedEvents(file)).toEqual([]);
  });
});
