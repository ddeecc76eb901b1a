import { exportOnnx, type ExportVariant } from "@sightline/vision-tower";
import { siglipDirectory } from "../models/siglip-directory.js";
import type { ConversionOptions } from "./conversion-progress.js";
import { checkOutput, placeFolder } from "./place-output.js";

/** How the towers of ONNX files compute. */
export type OnnxType = "float32" | "float16" | "int8";

export interface ConvertToOnnxOptions extends ConversionOptions {
  /** A folder. */
  readonly out: string;
  /** Every one of them is written. ["float32"] when left out. */
  readonly types?: readonly OnnxType[];
}

const variants: Readonly<Record<OnnxType, ExportVariant>> = { float32: "fp32", float16: "fp16", int8: "int8" };

/**
 * Writes a checkpoint of SigLIP (of one fixed resolution) or CLIP as the ONNX files that transformers.js loads; see `exportOnnx`.
 * @param model a folder, a name in the Hugging Face cache, or "mini"
 * @returns the files' names under `out`
 * @throws ConfigError for a checkpoint that has no such files; SightlineError `output-exists`; the signal's reason
 */
export async function convertToOnnx(model: string, { out, types = ["float32"], overwrite = false, signal, onProgress }: ConvertToOnnxOptions): Promise<readonly string[]> {
  const directory = await siglipDirectory(model);
  await checkOutput(out, directory, overwrite);
  let files: readonly string[] = [];
  const done = { bytes: 0, before: 0, totalBytes: 0 };
  await placeFolder(out, async (partial) => {
    const report = await exportOnnx(directory, partial, {
      variants: types.map((type) => variants[type]),
      ...(signal ? { signal } : {}),
      onProgress: (progress) => {
        // A file's size is known when its turn comes, and the joint model's is that of both towers.
        if (progress.type === "file-start") done.totalBytes += progress.totalBytes;
        else if (progress.type === "file-end") done.before = done.bytes;
        else onProgress?.({ bytes: (done.bytes = done.before + progress.bytes), totalBytes: Math.max(done.totalBytes, done.bytes) });
      },
    });
    files = report.files;
  });
  return files;
}
