import type { CacheDescription, DecoderDescription, ModelDescription, PairDescription, ProjectorDescription, StoredWeights, TowerDescription } from "../models/model-description.js";

/** A name and what stands beside it; undefined is left out. */
type Row = readonly [name: string, text: string | undefined];

const towerNames: Readonly<Record<TowerDescription["kind"], string>> = { siglip: "SigLIP", "siglip2-naflex": "SigLIP 2 NaFlex", "qwen3-vl": "Qwen3-VL", unknown: "not known" };

/** A model as one screen of text: the way of a picture from the tower to the decoder, then what it costs. */
export function modelReport({ model, tower, projector, decoder, pair, memory }: ModelDescription): string {
  const sections = [
    tower && { title: "Tower", rows: towerRows(tower) },
    projector && { title: "Projector", rows: projectorRows(projector, pair) },
    decoder && { title: "Decoder", rows: decoderRows(decoder) },
    { title: "Memory", rows: memoryRows(memory.decoderBytes, memory.cache, memory.encoderBytes) },
  ].filter((section) => section !== undefined);
  const width = Math.max(...sections.flatMap(({ rows }) => rows.map(([name]) => name.length)));
  const lines = sections.flatMap(({ title, rows }) => ["", title, ...rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)]);
  return `${[printable(model), ...lines].join("\n")}\n`;
}

function towerRows({ kind, imageSize, patchSize, width, blocks, heads, parameters, weights }: TowerDescription): [string, string][] {
  const picture = imageSize === undefined ? "any shape" : `${imageSize} x ${imageSize} px`;
  return shown([
    ["kind", towerNames[kind]],
    ["pictures", `${picture}${patchSize === undefined ? "" : `, patches of ${patchSize} x ${patchSize}`}`],
    ["blocks", blocksText(blocks, width, heads)],
    ["parameters", `${short(parameters)}, ${stored(weights)}`],
  ]);
}

function projectorRows({ type, known, problem, width, tokens, parameters }: ProjectorDescription, pair: PairDescription | undefined): [string, string][] {
  return shown([
    ["type", known ? printable(type) : `${printable(type)}, which cannot be run here`],
    ["because", problem === undefined ? undefined : printable(problem)],
    ["tokens", tokens && (tokens.least === tokens.most ? `${grouped(tokens.least)} an image` : `${grouped(tokens.least)} to ${grouped(tokens.most)} an image`)],
    ["parameters", short(parameters)],
    ["width", width === undefined ? undefined : grouped(width)],
    ["decoder", pair && (pair.fits ? `fits: both have width ${grouped(pair.decoderWidth ?? 0)}` : `does not fit: ${printable(pair.problem ?? "")}`)],
  ]);
}

function decoderRows({ architecture, name, parameters, weights, blocks, width, heads, keyValueHeads, trainedContext, slidingWindow, vocabulary, chatTemplate }: DecoderDescription): [string, string][] {
  const keys = keyValueHeads === undefined || keyValueHeads === heads ? "" : `, ${grouped(keyValueHeads)} for keys and values`;
  const blocksOf = blocksText(blocks, width, heads);
  return shown([
    ["kind", `${printable(architecture)}${name === undefined ? "" : `: ${printable(name)}`}`],
    ["blocks", blocksOf && `${blocksOf}${keys}`],
    ["context", trainedContext === undefined ? undefined : `${grouped(trainedContext)} tokens${slidingWindow === undefined ? "" : `, sliding window of ${grouped(slidingWindow)}`}`],
    ["vocabulary", vocabulary === undefined ? undefined : `${grouped(vocabulary)} tokens, ${chatTemplate ? "with" : "without"} a chat template`],
    ["parameters", `${short(parameters)}, ${stored(weights)}`],
  ]);
}

function memoryRows(decoderBytes: number | undefined, cache: readonly CacheDescription[], encoderBytes: number | undefined): [string, string][] {
  return shown([
    ["image encoder", encoderBytes === undefined ? undefined : `${size(encoderBytes)} in float32`],
    ["decoder", decoderBytes === undefined ? undefined : size(decoderBytes)],
    ...cache.map(({ context, bytes, windowBytes }): Row => [`${grouped(context)} tokens`, `${size(bytes)} of keys and values${windowBytes === undefined || windowBytes === bytes ? "" : `; ${size(windowBytes)} would do for its windows`}`]),
  ]);
}

function blocksText(blocks: number | undefined, width: number | undefined, heads: number | undefined): string | undefined {
  const parts = [blocks === undefined ? [] : [grouped(blocks)], width === undefined ? [] : [`width ${grouped(width)}`], heads === undefined ? [] : [`${grouped(heads)} heads`]].flat();
  return parts.length === 0 ? undefined : parts.join(", ");
}

/** What most bytes are stored as, and the rest by name where it is a tenth or more. */
function stored(weights: readonly StoredWeights[]): string {
  const all = weights.reduce((sum, { bytes }) => sum + bytes, 0);
  const shares = weights.filter(({ bytes }) => bytes >= all / 100).map(({ dtype, bytes }) => ({ dtype, percent: Math.round((100 * bytes) / Math.max(1, all)) }));
  if (shares.length <= 1) return shares[0]?.dtype ?? "nothing";
  return shares.map(({ dtype, percent }) => `${dtype} ${percent}%`).join(", ");
}

function shown(rows: readonly Row[]): [string, string][] {
  return rows.filter((row): row is [string, string] => row[1] !== undefined);
}

/** Names come out of files: no line ends or control sequences of theirs reach the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, " ").slice(0, 200);
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** 4.02 B, 417 M, 85 k. */
function short(count: number): string {
  for (const [unit, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]] as const) if (count >= unit) return `${(count / unit).toPrecision(3)} ${letter}`;
  return String(count);
}

function size(bytes: number): string {
  for (const [unit, name] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]] as const) if (bytes >= unit) return `${(bytes / unit).toFixed(bytes / unit >= 100 ? 0 : 1)} ${name}`;
  return `${bytes} B`;
}
