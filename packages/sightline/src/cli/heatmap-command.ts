import { writeFile } from "node:fs/promises";
import type { HeatmapScore } from "@sightline/vision-tower";
import { Command, Option } from "commander";
import { exitCodes, UsageError } from "./failure.js";
import { abortOnInterrupt } from "./interrupt.js";
import { numberBetween, wholeNumber } from "./option-values.js";
import { openSiglip, withTowerOptions, type TowerOptions } from "./tower-options.js";

interface HeatmapCommandOptions extends TowerOptions {
  readonly out: string;
  readonly score: HeatmapScore;
  readonly maxSide: number;
  readonly opacity: number;
  readonly json?: boolean;
}

/** `sightline heatmap`: where in an image a text is true. */
export function heatmapCommand(): Command {
  const command = new Command("heatmap")
    .description("Draw where in an image a text is true, as a PNG over the picture.")
    .argument("<image>", "an image file")
    .argument("<text>", 'what to look for, as in "a hamburger"')
    .requiredOption("--out <file>", "F.png")
    .addOption(new Option("--score <kind>", "what a patch is scored by").choices(["cosine", "probability"]).default("cosine"))
    .option("--max-side <pixels>", "the longer side of the PNG at most", wholeNumber(1), 1024)
    .option("--opacity <x>", "how much of the picture the heat covers", numberBetween(0, 1), 0.6)
    .option("--json", "print one JSON object with the score of every patch")
    .action(runHeatmap);
  return withTowerOptions(command);
}

async function runHeatmap(image: string, text: string, options: HeatmapCommandOptions): Promise<void> {
  const { out, score, maxSide, opacity, json } = options;
  if (text.trim() === "") throw new UsageError("heatmap: the text is empty; say what to look for");
  if (!/\.png$/i.test(out)) throw new UsageError(`heatmap: --out: expected F.png, got ${JSON.stringify(out)}`);
  const signal = abortOnInterrupt();
  try {
    await using siglip = await openSiglip(options, { signal });
    const heatmap = await siglip.heatmap(image, text, { score, signal });
    await writeFile(out, await heatmap.png({ maxSide, opacity }));
    const { grid, scores, range } = heatmap;
    if (json) process.stdout.write(`${JSON.stringify({ image, text, out, score, grid, range, scores: [...scores] })}\n`);
    else process.stdout.write(`${out}: ${text}: ${score} from ${range[0].toFixed(3)} to ${range[1].toFixed(3)} over ${grid.rows} x ${grid.columns} patches\n`);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = exitCodes.interrupted;
  }
}
