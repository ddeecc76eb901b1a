import type { ImageSource } from "sightline";
import sharp from "sharp";
import type { Sample } from "../task.js";
import { escapeHtml, figuresTable, histogram, page } from "./html.js";
import type { Results, TaskResult } from "./results.js";
import { selectedSamples } from "./selected-samples.js";

/** Samples shown of a task: the worst, the best, and those that lie evenly between. */
const [shownEnds, shownBetween] = [15, 30];
const thumbnailSide = 160;

/**
 * A run as a page to look at: figures, how scores spread, and samples with picture, answer, references and score. Pictures
 * are in it, small.
 * @param folderOf where a task's data lies
 */
export async function htmlReport(results: Results, done: readonly TaskResult[], folderOf: (name: string) => string, signal: AbortSignal): Promise<string> {
  const sections: string[] = [];
  for (const { task, outcome } of done) {
    const { config, scores, answered } = outcome;
    const perSample = scores?.perSample ?? [];
    const chosen = chosenSamples(perSample.length > 0 ? perSample : answered.map(() => 0));
    const pictures = await thumbnails(selectedSamples(task, folderOf(task.name), config), new Map(chosen.map((i) => [answered[i]?.sample.id ?? "", i])), signal);
    const rows = chosen.map((i) => {
      const { sample, prediction } = answered[i] as (typeof answered)[number];
      const picture = pictures.get(i);
      const said = task.kind === "answer" ? `<div class="muted">${escapeHtml(sample.prompt)}</div><div class="said">${escapeHtml(prediction) || "(nothing)"}</div>` : "";
      return `<tr><td>${picture === undefined ? `<span class="muted">no picture</span>` : `<img alt="" src="${picture}">`}<div class="muted">${escapeHtml(sample.id)}</div></td><td>${said}<ul>${sample.references.map((reference) => `<li>${escapeHtml(reference)}</li>`).join("")}</ul></td><td class="number">${perSample[i]?.toFixed(3) ?? ""}</td></tr>`;
    });
    const facts = `${config.model.name}${config.model.precision === "" ? "" : `, ${config.model.precision}`}${config.baseline === null ? "" : `, baseline ${config.baseline}`}; ${answered.length} samples; data ${config.dataHash.slice(0, 12)}; model ${config.model.fingerprint.slice(0, 12)}`;
    sections.push(`<h2>${escapeHtml(task.title)} <span class="muted">${task.name}</span></h2><p class="muted">${escapeHtml(facts)}</p>${scores ? figuresTable(scores.figures) : ""}
${scores ? histogram(perSample, task.kind === "answer" ? task.metric.name : "right first") : ""}
<table class="samples"><tr><th>sample</th><th>answer and references</th><th>score</th></tr>${rows.join("\n")}</table>`);
  }
  return page(`Evaluation: ${done.map(({ task }) => task.name).join(", ")}`, `<p class="muted">${results.date}, sightline ${results.versions["sightline"]}, git ${results.git_hash ?? "none"}</p>${sections.join("\n")}`);
}

/** Places of the worst and best scores and of some between, in the samples' order. */
function chosenSamples(scores: readonly number[]): readonly number[] {
  const ranked = scores.map((_, i) => i).sort((a, b) => (scores[a] as number) - (scores[b] as number) || a - b);
  const step = Math.max(1, Math.floor(ranked.length / shownBetween));
  return [...new Set([...ranked.slice(0, shownEnds), ...ranked.slice(-shownEnds), ...ranked.filter((_, i) => i % step === 0).slice(0, shownBetween)])].sort((a, b) => a - b);
}

async function thumbnails(samples: AsyncIterable<{ readonly sample: Sample }>, wanted: ReadonlyMap<string, number>, signal: AbortSignal): Promise<ReadonlyMap<number, string>> {
  const pictures = new Map<number, string>();
  let left = wanted.size;
  for await (const { sample } of samples) {
    const place = wanted.get(sample.id);
    if (place === undefined) continue;
    signal.throwIfAborted();
    const picture = await thumbnail(sample.image);
    if (picture !== undefined) pictures.set(place, picture);
    if (--left === 0) break;
  }
  return pictures;
}

/** Undefined where the picture is not at hand: predictions can be scored without pictures. */
async function thumbnail(image: () => Promise<ImageSource>): Promise<string | undefined> {
  try {
    const source = await image();
    const input = source instanceof URL ? source.pathname : (source as string | Uint8Array);
    const jpeg = await sharp(input).resize({ width: thumbnailSide, height: thumbnailSide, fit: "inside" }).flatten({ background: "#fff" }).jpeg({ quality: 70 }).toBuffer();
    return `data:image/jpeg;base64,${jpeg.toString("base64")}`;
  } catch {
    return undefined;
  }
}
