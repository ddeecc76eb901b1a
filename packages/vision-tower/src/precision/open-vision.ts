import type { SessionOptions } from "@sightline/graph";
import type { VisionPart } from "../checkpoint.js";
import { calibrationImages } from "./calibration-images.js";
import { openInt8, type OpenedTower } from "./open-int8.js";
import type { Precision, PrecisionReport } from "./precision.js";

const exact: PrecisionReport = { precision: "float32", int8Layers: 0, linearLayers: 0, cosinePooled: 1, cosinePatch: 1 };

/**
 * Opens a vision tower in a precision.
 * @throws RangeError for a precision that the tower's file or the device does not allow
 */
export async function openVision(vision: VisionPart, precision: Precision, options: SessionOptions): Promise<OpenedTower> {
  if (precision === "float32") return { session: await vision.open(options), report: exact };
  const { graph } = vision;
  const onCpu = (options.device ?? "cpu") === "cpu";
  if (!graph || !onCpu) {
    if (precision === "auto") return { session: await vision.open(options), report: exact };
    const why = graph ? `device ${options.device} (int8 runs on the CPU)` : "an ONNX file, whose precision is its own; choose another of its files by variant";
    throw new RangeError(`openVision: expected precision "float32" or "auto" for ${why}, got "${precision}"`);
  }
  if (precision === "float16") throw new RangeError('openVision: expected precision "float32", "int8" or "auto" on the CPU, got "float16"');
  const images = await calibrationImages();
  const feeds = images.map((image) => vision.prepare([image]).feeds);
  return openInt8(graph, feeds, options, precision === "auto");
}
