import { autoDevices, type Session, type SessionOptions } from "@sightline/graph";
import type { VisionPart } from "../checkpoint.js";
import { calibrationImages } from "./calibration-images.js";
import { openFloat16 } from "./open-float16.js";
import { openInt8, type OpenedTower } from "./open-int8.js";
import { exactReport, type Precision } from "./precision.js";

type Feeds = Parameters<Session["run"]>[0];

/**
 * Opens a vision tower in a precision.
 * @throws RangeError for a precision that the tower's file or the device does not allow
 */
export async function openVision(vision: VisionPart, precision: Precision, options: SessionOptions): Promise<OpenedTower> {
  const { graph } = vision;
  if (precision === "float32" || (!graph && precision === "auto")) return { session: await vision.open(options), report: exactReport };
  if (!graph) throw unfit(precision, '"float32" or "auto"', "for an ONNX file, whose precision is its own; choose another of its files by variant");
  const device = options.device === "auto" && autoDevices()[0] === "cpu" ? "cpu" : (options.device ?? "cpu");
  if (device !== "cpu") {
    if (precision === "int8") throw unfit(precision, '"float32", "float16" or "auto"', `on device ${device} (int8 runs on the CPU)`);
    const exact = await vision.open(options);
    // What "auto" chose shows only now.
    if (exact.device !== "cpu") return openFloat16(graph, exact, await calibrationFeeds(vision), options, precision === "auto");
    await exact[Symbol.asyncDispose]();
  }
  if (precision === "float16") throw unfit(precision, '"float32", "int8" or "auto"', "on the CPU");
  return openInt8(graph, await calibrationFeeds(vision), { ...options, device: "cpu" }, precision === "auto");
}

/** Batches of one calibration image each. */
export async function calibrationFeeds(vision: VisionPart): Promise<readonly Feeds[]> {
  return (await calibrationImages()).map((image) => vision.prepare([image]).feeds);
}

function unfit(precision: Precision, expected: string, where: string): RangeError {
  return new RangeError(`openVision: expected precision ${expected} ${where}, got "${precision}"`);
}
