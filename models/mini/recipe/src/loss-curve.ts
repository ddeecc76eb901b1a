import { readFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import type { StageName } from "./stage.js";
import { writeFileAtomically } from "./write-file-atomically.js";

const width = 900;
const height = 320;
const margin = { left: 70, right: 20, top: 40, bottom: 45 };
/** Points of a curve; each is the mean of the steps it stands for. */
const points = 240;

/** Draws the loss of each stage against its steps, one under the other, as a PNG. */
export async function drawLossCurves(runFolder: string, file: string): Promise<void> {
  const stages: readonly StageName[] = ["towers", "chat", "questions", "mixed"];
  const charts = await Promise.all(stages.map(async (stage, i) => chart(stage, await losses(path.join(runFolder, `${stage}.jsonl`)), i * height)));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height * stages.length}" font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>${charts.join("")}</svg>`;
  await writeFileAtomically(file, await sharp(Buffer.from(svg)).png().toBuffer());
}

async function losses(file: string): Promise<readonly (readonly [step: number, loss: number])[]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  return lines.flatMap((line) => {
    const { step, loss } = JSON.parse(line) as { readonly step: number; readonly loss?: number };
    return loss === undefined ? [] : [[step, loss] as const];
  });
}

function chart(title: string, curve: readonly (readonly [number, number])[], top: number): string {
  const size = Math.max(1, Math.ceil(curve.length / points));
  const means: [number, number][] = [];
  for (let i = 0; i < curve.length; i += size) {
    const group = curve.slice(i, i + size);
    means.push([group.at(-1)?.[0] ?? 0, group.reduce((sum, [, loss]) => sum + loss, 0) / group.length]);
  }
  const lastStep = Math.max(1, means.at(-1)?.[0] ?? 1);
  const highest = Math.max(1e-6, ...means.map(([, loss]) => loss));
  const x = (step: number): number => margin.left + (step / lastStep) * (width - margin.left - margin.right);
  const y = (loss: number): number => top + height - margin.bottom - (loss / highest) * (height - margin.top - margin.bottom);
  const line = means.map(([step, loss]) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(" ");
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const rows = ticks.map((t) => `<line x1="${margin.left}" x2="${width - margin.right}" y1="${y(t * highest)}" y2="${y(t * highest)}" stroke="#ddd"/><text x="${margin.left - 8}" y="${y(t * highest) + 4}" text-anchor="end">${(t * highest).toFixed(2)}</text>`);
  const columns = ticks.map((t) => `<text x="${x(t * lastStep)}" y="${top + height - margin.bottom + 18}" text-anchor="middle">${Math.round(t * lastStep)}</text>`);
  return `<text x="${margin.left}" y="${top + 24}" font-weight="bold">${title}: loss against steps</text>${rows.join("")}${columns.join("")}<polyline points="${line}" fill="none" stroke="#2563eb" stroke-width="1.5"/>`;
}
