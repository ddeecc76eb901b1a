import { ImageStore } from "../data/image-store.js";
import { readRows } from "../data/read-rows.js";
import { textOf } from "../data/row-fields.js";
import { groupedCaptionMetric } from "../metrics/task-metrics.js";
import type { AnswerTask, TaskData } from "../task.js";

import { trimmed } from "./prompts.js";

const data: TaskData = {
  source: "https://google.github.io/crossmodal-3600",
  split: "test",
  size: 3600 * 36,
  fetch: "fetch captions.zip (captions.jsonl) and images.tgz from google.github.io/crossmodal-3600, unpack the first and gunzip the second to images.tar, in FOLDER",
};

const names = new Intl.DisplayNames("en", { type: "language" });

/** Cusco Quechua has no name of its own everywhere. */
function languageName(code: string): string {
  return code === "quz" ? "Quechua" : code === "fil" ? "Filipino" : (names.of(code) ?? code);
}

/**
 * Crossmodal-3600 (Thapliyal et al. 2022): one sample a picture and language; each language is scored as a set of its own.
 * The tokenizer is the COCO evaluation's, which does not part Chinese, Japanese or Thai into words.
 */
export const xm3600: AnswerTask = {
  name: "xm3600",
  kind: "answer",
  title: "Crossmodal-3600, captions in 36 languages",
  data,
  maxTokens: 64,
  postProcess: trimmed,
  metric: groupedCaptionMetric,
  async *read(folder) {
    const store = new ImageStore(folder, data.fetch);
    for await (const row of readRows(folder, { splits: [], others: ["captions.jsonl"] }, data.fetch)) {
      const key = textOf(row, "image/key");
      for (const [language, value] of Object.entries(row)) {
        const captions = typeof value === "object" && value !== null ? (value as { readonly caption?: unknown }).caption : undefined;
        if (!Array.isArray(captions)) continue;
        const name = languageName(language);
        yield { id: `${key}:${language}`, imageId: key, group: language, image: () => store.find(`${key}.jpg`), prompt: `Provide a one-sentence caption for the provided image in ${name}.`, references: captions.map(String) };
      }
    }
  },
};
