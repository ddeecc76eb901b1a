import { byteText, listModels, type ListedModel, type ModelList } from "@sightline/hub/cached";
import { Command } from "commander";
import { defined } from "../defined.js";

interface ListCommandOptions {
  readonly all?: boolean;
  readonly cacheDir?: string;
  readonly json?: boolean;
}

/** `sightline list`: known models that fit this machine, and what is downloaded. */
export function listCommand(): Command {
  return new Command("list")
    .description("Show the known models that fit this machine, and which of them are downloaded.")
    .option("--all", "those that do not fit, too")
    .option("--cache-dir <folder>", "instead of the Hugging Face cache")
    .option("--json", "print one JSON object")
    .action(runList);
}

async function runList({ all, cacheDir, json }: ListCommandOptions): Promise<void> {
  const list = await listModels(defined({ cacheDirectory: cacheDir }));
  const shown = { ...list, models: list.models.filter(({ fits, downloaded }) => all || fits || downloaded.length > 0) };
  process.stdout.write(json ? `${JSON.stringify(shown)}\n` : listText(shown, list.models.length - shown.models.length));
}

function listText({ machine, models, others }: ModelList, hidden: number): string {
  const { memoryBytes, cacheDirectory, freeBytes } = machine;
  const part = (title: string, belongs: (manifest: ListedModel["manifest"]) => boolean): string => {
    const rows = models.filter(({ manifest }) => belongs(manifest)).sort((a, b) => a.memory.totalBytes - b.memory.totalBytes);
    return rows.length === 0 ? "" : `${title}\n${table([["NAME", "DOWNLOAD", "MEMORY", "TOKENS", "LICENCE", ""], ...rows.map(rowOf)])}\n`;
  };
  const more = hidden === 0 ? "" : `${hidden} more need more than this machine has: sightline list --all\n`;
  const other = others.length === 0 ? "" : `Also in the cache: ${others.join(", ")}\n`;
  return [
    `This machine has ${byteText(memoryBytes)} of memory${freeBytes === undefined ? "" : ` and ${byteText(freeBytes)} free`} for the cache in ${cacheDirectory}.\n\n`,
    part("For chats (sightline chat --model NAME):", ({ kind }) => kind !== "tower"),
    part("For embeddings and tags (sightline tag --model NAME):", ({ kind, tower }) => kind === "tower" && tower.family.startsWith("siglip")),
    part("To compare with, in programs (loadVisionTower of @sightline/vision-tower):", ({ kind, tower }) => kind === "tower" && !tower.family.startsWith("siglip")),
    more,
    other,
    "Sizes marked ~ are computed from the model's shape. Fetch one with: sightline pull NAME\n",
  ].join("");
}

function rowOf(model: ListedModel): readonly string[] {
  const { manifest, download, memory, quantisation } = model;
  const { name, kind, license, tokensPerImage } = manifest;
  const { least, most } = tokensPerImage;
  return [
    quantisation === undefined ? name : `${name}:${quantisation}`,
    kind === "embedded" ? "comes along" : `${download.estimated ? "~" : ""}${byteText(download.bytes)}`,
    `~${byteText(memory.totalBytes)}`,
    least === most ? String(least) : `${least}-${most}`,
    license.id,
    stateOf(model),
  ];
}

function stateOf({ manifest, downloaded, problem }: ListedModel): string {
  const { kind, gated, files } = manifest;
  const forms = downloaded.filter((form) => form !== "").join(", ");
  const states = [
    ...(downloaded.length > 0 ? [forms === "" ? "here" : `here: ${forms}`] : []),
    ...(problem ? [problem === "memory" ? "needs more memory" : "needs more disk"] : []),
    ...(gated && downloaded.length === 0 ? ["asks to accept its terms"] : []),
    ...(kind === "pair" && !files.some(({ part }) => part === "decoder") ? ["its decoder is to be converted"] : []),
  ];
  return states.join("; ");
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd()).join("\n") + "\n";
}
