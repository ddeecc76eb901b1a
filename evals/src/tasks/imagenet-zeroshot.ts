import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { ImageStore } from "../data/image-store.js";
import { isFile, readRows } from "../data/read-rows.js";
import { imageOf, textOf } from "../data/row-fields.js";
import { EvalError } from "../eval-error.js";
import type { EmbeddingTask, TaskData } from "../task.js";

const data: TaskData = {
  source: "ILSVRC/imagenet-1k",
  split: "validation",
  size: 50_000,
  fetch:
    'fetch it with: hf download ILSVRC/imagenet-1k --repo-type dataset --include "data/validation-*" --local-dir FOLDER (or put the 1,000 class folders in FOLDER/val), and write classnames.txt there, one name a line in the order of the labels, as open_clip lists them',
};

/**
 * ImageNet's validation set, zero-shot: each class a text. Pictures from the hub's parquet, or from class folders whose sorted
 * names are the labels' order. `templates.txt`, one a line with {label}, replaces the one template here; published figures
 * use 80.
 */
export const imagenetZeroshot: EmbeddingTask = {
  name: "imagenet-zeroshot",
  kind: "zero-shot",
  title: "ImageNet, zero-shot",
  data,
  async *read(folder) {
    const classes = path.join(folder, "val");
    const names = (await readdir(classes, { withFileTypes: true }).catch(() => [])).filter((entry) => entry.isDirectory()).map(({ name }) => name);
    for (const [label, name] of names.sort().entries()) {
      for (const file of (await readdir(path.join(classes, name))).sort()) {
        yield { id: `${name}/${file}`, image: () => Promise.resolve(path.join(classes, name, file)), prompt: "", references: [String(label)] };
      }
    }
    if (names.length > 0) return;
    const store = new ImageStore(folder, data.fetch);
    let index = 0;
    for await (const row of readRows(folder, { splits: ["validation"] }, data.fetch)) yield { id: String(index++), image: imageOf(row, store), prompt: "", references: [textOf(row, "label")] };
  },
  async classes(folder) {
    const lines = async (name: string): Promise<readonly string[]> => (await readFile(path.join(folder, name), "utf8")).split("\n").map((line) => line.trim()).filter((line) => line !== "");
    if (!(await isFile(path.join(folder, "classnames.txt")))) throw new EvalError("data-missing", `eval: expected classnames.txt in ${folder}; ${data.fetch}`);
    return { names: await lines("classnames.txt"), templates: (await isFile(path.join(folder, "templates.txt"))) ? await lines("templates.txt") : ["a photo of a {label}."] };
  },
};
