import { readFile } from "node:fs/promises";
import { EvalError } from "../eval-error.js";

type Entry = Readonly<Record<string, unknown>>;

/**
 * Predictions of any program by sample: a list in COCO's results format, `[{image_id, caption}]`, or one such object a line;
 * `question_id` or `id`, and `answer` or `prediction`, will do too.
 * @throws EvalError `duplicate-image` when a sample comes twice; `bad-input` for a file that holds something else
 */
export async function readPredictions(file: string): Promise<ReadonlyMap<string, string>> {
  const predictions = new Map<string, string>();
  for (const [i, entry] of (await entriesOf(file)).entries()) {
    const id = entry["image_id"] ?? entry["question_id"] ?? entry["id"];
    const text = entry["caption"] ?? entry["answer"] ?? entry["prediction"];
    if ((typeof id !== "string" && typeof id !== "number") || typeof text !== "string") {
      throw new EvalError("bad-input", `eval: ${file}: entry ${i + 1}: expected image_id (or question_id, id) and caption (or answer, prediction), got ${Object.keys(entry).join(", ") || "nothing"}`);
    }
    if (predictions.has(String(id))) throw new EvalError("duplicate-image", `eval: ${file}: expected each image once, got ${JSON.stringify(id)} again in entry ${i + 1}; keep one`);
    predictions.set(String(id), text);
  }
  return predictions;
}

async function entriesOf(file: string): Promise<readonly Entry[]> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new EvalError("data-missing", `eval: --predictions: ${file} cannot be read; expected a file in COCO's results format`, { cause });
  });
  try {
    const entries = text.trimStart().startsWith("[") ? (JSON.parse(text) as unknown) : text.split("\n").flatMap((line) => (line.trim() === "" ? [] : [JSON.parse(line) as unknown]));
    if (Array.isArray(entries) && entries.every((entry) => typeof entry === "object" && entry !== null)) return entries as readonly Entry[];
  } catch (cause) {
    throw new EvalError("bad-input", `eval: ${file} is neither JSON nor JSON lines (${(cause as Error).message}); expected [{"image_id": 1, "caption": "..."}]`, { cause });
  }
  throw new EvalError("bad-input", `eval: ${file}: expected a list of objects, as in [{"image_id": 1, "caption": "..."}]`);
}
