import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { TrainingError } from "../training-error.js";
import type { ImageTextPair, PairReaderOptions } from "./image-text-pair.js";
import { captionsOf } from "./row-pairs.js";

const imageName = /\.(jpe?g|png|webp|avif|gif|tiff?|bmp)$/i;

/**
 * The images of a folder and of those in it, each with a `.txt` of the same name beside it, a caption on each line; in the
 * order of their names, whatever the file system's. Hidden files and folders are passed over.
 * @throws TrainingError when the folder cannot be read
 */
export async function* readFolderPairs(folder: string, { onBad }: PairReaderOptions): AsyncGenerator<ImageTextPair> {
  const files = await filesUnder(folder);
  const texts = new Map(files.filter((file) => /\.txt$/i.test(file)).map((file) => [stem(file), file]));
  const used = new Set<string>();
  for (const file of files) {
    if (!imageName.test(file)) continue;
    const text = texts.get(stem(file));
    if (text === undefined) {
      onBad({ id: file, reason: "no caption" });
      continue;
    }
    used.add(text);
    const captions = captionsOf((await readFile(path.join(folder, text), "utf8")).replace(/^\uFEFF/, "").split(/\r?\n/));
    if (captions.length === 0) onBad({ id: file, reason: "no caption" });
    else yield { id: file, image: path.resolve(folder, file), captions };
  }
  for (const text of texts.values()) if (!used.has(text)) onBad({ id: text, reason: "no image" });
}

function stem(file: string): string {
  return file.slice(0, file.length - path.extname(file).length);
}

/** Paths from the folder, sorted. */
async function filesUnder(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
      .filter((file) => !file.split(path.sep).some((part) => part.startsWith(".")))
      .sort();
  } catch (cause) {
    throw new TrainingError(`readFolderPairs: cannot read ${folder}: ${(cause as Error).message}`, { cause });
  }
}
