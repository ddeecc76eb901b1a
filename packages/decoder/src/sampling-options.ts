import { randomInt } from "node:crypto";
import { DecoderError } from "./decoder-error.js";

/**
 * How the next token is chosen. Without any of these: the most likely one.
 *
 * The steps are llama.cpp's own and run in the order of its `common_sampler`: logit bias, penalties, DRY, top-n-sigma,
 * top-k, typical, top-p, min-p, XTC, temperature, and the choice by chance. A grammar is asked last (see GenerateOptions).
 */
export interface SamplingOptions {
  /** Divides the logits. 0 takes the most likely token that is left. Default: 1 when another option below it here is given, else 0. */
  readonly temperature?: number;
  /** Moves the temperature between `temperature - range` and `temperature + range`: low where the model is certain (its entropy to the power of `exponent`). */
  readonly dynamicTemperature?: { readonly range: number; /** > 0, default 1 */ readonly exponent?: number };
  /** Keep the K most likely tokens. Default: all. */
  readonly topK?: number;
  /** Keep the most likely tokens that together reach this probability, above 0, to 1. Default 1: all. */
  readonly topP?: number;
  /** Keep tokens at least this times as likely as the most likely one, 0 to 1. Default 0: all. */
  readonly minP?: number;
  /** Keep the tokens whose surprise is nearest the expected one, together this likely, above 0, to 1. Default 1: all. */
  readonly typicalP?: number;
  /** Keep tokens whose logit is within this many standard deviations of the highest, above 0. Default: all. */
  readonly topNSigma?: number;
  /** With this probability, drop all tokens at least `threshold` likely but the least likely of them. `threshold` above 0, to 0.5, default 0.1. */
  readonly xtc?: { readonly probability: number; readonly threshold?: number };
  /** Typical, top-p, min-p and XTC leave at least this many tokens, from 1 up. Default 1. */
  readonly minKeep?: number;
  /** Penalises tokens that would continue a repetition. */
  readonly dry?: DryOptions;
  /** Divides a recent token's logit where it is positive and multiplies it where not, > 0. Default 1: off. */
  readonly repeatPenalty?: number;
  /** Subtracted from a token's logit for every time that it is among the recent ones, -100 to 100. Default 0. */
  readonly frequencyPenalty?: number;
  /** Subtracted once from the logits of recent tokens, -100 to 100. Default 0. */
  readonly presencePenalty?: number;
  /** How many recent tokens, of the prompt too, these three look at. Default 64. */
  readonly repeatLastN?: number;
  /** Keeps the text's surprise near `tau` bits. Takes the place of every other step but logit bias, temperature and grammar. */
  readonly mirostat?: { readonly version: 1 | 2; /** Default 5. */ readonly tau?: number; /** Learning rate, default 0.1. */ readonly eta?: number };
  /** Prefers tokens whose probability is near `target`, 0 to 1, on average over the last `1 / (1 - decay)`; `decay` 0 to 0.99, default 0.9. */
  readonly adaptiveP?: { readonly target: number; readonly decay?: number };
  /** Token id -> added to its logit, -1000 to 1000; -Infinity bans the token. */
  readonly logitBias?: Readonly<Record<number, number>> | ReadonlyMap<number, number>;
  /** 0 to 4294967294; the same seed gives the same text. Default: random. */
  readonly seed?: number;
}

/** "Don't repeat yourself": a token that would make a repetition n tokens long loses `multiplier * base ^ (n - 1 - allowedLength)`. */
export interface DryOptions {
  /** Above 0. */
  readonly multiplier: number;
  /** From 1 up. Default 1.75. */
  readonly base?: number;
  /** Tokens that may be repeated for free, from 1 up. Default 2. */
  readonly allowedLength?: number;
  /** How many recent tokens are searched. Default 64. */
  readonly lastN?: number;
  /** A repetition does not reach over these; each at most 40 bytes. Default: line end, colon, quote and asterisk. */
  readonly sequenceBreakers?: readonly string[];
}

/** Every number set and checked; steps that are off are undefined. */
export interface Sampling {
  readonly temperature: number;
  readonly dynamicTemperature: { readonly range: number; readonly exponent: number } | undefined;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly typicalP: number;
  readonly topNSigma: number;
  readonly xtc: { readonly probability: number; readonly threshold: number } | undefined;
  readonly minKeep: number;
  readonly dry: Required<DryOptions> | undefined;
  readonly repeatPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly repeatLastN: number;
  readonly mirostat: { readonly version: 1 | 2; readonly tau: number; readonly eta: number } | undefined;
  readonly adaptiveP: { readonly target: number; readonly decay: number } | undefined;
  readonly logitBias: ReadonlyMap<number, number>;
  readonly seed: number;
}

/** llama.cpp reads this seed as "choose one". */
const noSeed = 0xffffffff;

/** Longer breakers are cut by llama.cpp, maybe inside a character. */
const longestBreaker = 40;

const known: ReadonlySet<string> = new Set<keyof SamplingOptions>([
  "temperature", "dynamicTemperature", "topK", "topP", "minP", "typicalP", "topNSigma", "xtc", "minKeep", "dry", "repeatPenalty",
  "frequencyPenalty", "presencePenalty", "repeatLastN", "mirostat", "adaptiveP", "logitBias", "seed",
]);

/** What mirostat takes the place of. */
const replacedByMirostat = [
  "dynamicTemperature", "topK", "topP", "minP", "typicalP", "topNSigma", "xtc", "minKeep", "dry", "repeatPenalty", "frequencyPenalty",
  "presencePenalty", "repeatLastN", "adaptiveP",
] as const satisfies readonly (keyof SamplingOptions)[];

/** Options that make the choice one by chance. */
const callForChance = ["dynamicTemperature", "topK", "topP", "minP", "typicalP", "topNSigma", "xtc", "mirostat", "adaptiveP"] as const satisfies readonly (keyof SamplingOptions)[];

function bad(name: string, expected: string, value: unknown): DecoderError {
  return new DecoderError("bad-option", `generate: sampling${name === "" ? "" : "."}${name}: expected ${expected}, got ${String(value)}`);
}

/** A number of an options object; `fallback` where it is left out. */
function number<F extends number | undefined>(group: object, path: string, holds: (value: number) => boolean, expected: string, fallback: F): number | F {
  const value: unknown = Reflect.get(group, path.slice(path.lastIndexOf(".") + 1));
  if (value === undefined) return fallback;
  if (typeof value !== "number" || !Number.isFinite(value) || !holds(value)) throw bad(path, expected, value);
  return value;
}

function group(options: SamplingOptions, name: keyof SamplingOptions): object | undefined {
  const value: unknown = options[name];
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(name, "an object", value);
  return value;
}

const integer = (low: number, high: number) => (value: number): boolean => Number.isInteger(value) && value >= low && value <= high;
const aboveZero = (high: number) => (value: number): boolean => value > 0 && value <= high;
const within = (low: number, high: number) => (value: number): boolean => value >= low && value <= high;

/** Throws DecoderError `bad-option` for the first value that is not as SamplingOptions says. */
export function resolveSampling(options: SamplingOptions = {}): Sampling {
  if (typeof options !== "object" || options === null) throw bad("", "an object", options);
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw bad(name, `one of the options ${[...known].join(", ")}`, "an unknown option");
  }
  const mirostat = readMirostat(options);
  const byChance = callForChance.some((name) => options[name] !== undefined);
  const temperature = number(options, "temperature", within(0, 1e6), "a number from 0 to 1000000", byChance ? 1 : 0);
  const dynamicTemperature = readDynamicTemperature(options);
  for (const name of ["mirostat", "adaptiveP", "dynamicTemperature"] as const) {
    if (options[name] !== undefined && temperature === 0) throw bad("temperature", `a number above 0 beside ${name}`, 0);
  }
  return {
    temperature,
    dynamicTemperature,
    topK: number(options, "topK", integer(1, 0x7fffffff), "an integer from 1 up", 0),
    topP: number(options, "topP", aboveZero(1), "a number above 0, up to 1", 1),
    minP: number(options, "minP", within(0, 1), "a number from 0 to 1", 0),
    typicalP: number(options, "typicalP", aboveZero(1), "a number above 0, up to 1", 1),
    topNSigma: number(options, "topNSigma", aboveZero(1e6), "a number above 0, up to 1000000", 0),
    xtc: readXtc(options),
    minKeep: number(options, "minKeep", integer(1, 0x7fffffff), "an integer from 1 up", 1),
    dry: readDry(options),
    repeatPenalty: number(options, "repeatPenalty", within(1e-6, 1e6), "a number above 0, from 0.000001 to 1000000", 1),
    frequencyPenalty: number(options, "frequencyPenalty", within(-100, 100), "a number from -100 to 100", 0),
    presencePenalty: number(options, "presencePenalty", within(-100, 100), "a number from -100 to 100", 0),
    repeatLastN: number(options, "repeatLastN", integer(0, 65536), "an integer from 0 to 65536", 64),
    mirostat,
    adaptiveP: readAdaptiveP(options),
    logitBias: readLogitBias(options.logitBias),
    seed: number(options, "seed", integer(0, noSeed - 1), `an integer from 0 to ${noSeed - 1}`, undefined) ?? randomInt(noSeed),
  };
}

function readDynamicTemperature(options: SamplingOptions): Sampling["dynamicTemperature"] {
  const given = group(options, "dynamicTemperature");
  if (given === undefined) return undefined;
  const range = number(given, "dynamicTemperature.range", within(0, 1e6), "a number from 0 to 1000000", undefined);
  if (range === undefined) throw bad("dynamicTemperature.range", "a number from 0 to 1000000", undefined);
  return { range, exponent: number(given, "dynamicTemperature.exponent", aboveZero(1000), "a number above 0, up to 1000", 1) };
}

function readXtc(options: SamplingOptions): Sampling["xtc"] {
  const given = group(options, "xtc");
  if (given === undefined) return undefined;
  const probability = number(given, "xtc.probability", within(0, 1), "a number from 0 to 1", undefined);
  if (probability === undefined) throw bad("xtc.probability", "a number from 0 to 1", undefined);
  return { probability, threshold: number(given, "xtc.threshold", aboveZero(0.5), "a number above 0, up to 0.5", 0.1) };
}

function readDry(options: SamplingOptions): Sampling["dry"] {
  const given: { readonly sequenceBreakers?: unknown } | undefined = group(options, "dry");
  if (given === undefined) return undefined;
  const multiplier = number(given, "dry.multiplier", aboveZero(1e6), "a number above 0, up to 1000000", undefined);
  if (multiplier === undefined) throw bad("dry.multiplier", "a number above 0, up to 1000000", undefined);
  const breakers = given.sequenceBreakers ?? ["\n", ":", '"', "*"];
  if (!Array.isArray(breakers) || breakers.some((text) => typeof text !== "string" || text === "" || text.includes("\0") || Buffer.byteLength(text) > longestBreaker)) {
    throw bad("dry.sequenceBreakers", `an array of strings of 1 to ${longestBreaker} bytes`, JSON.stringify(breakers));
  }
  return {
    multiplier,
    base: number(given, "dry.base", within(1, 1000), "a number from 1 to 1000", 1.75),
    allowedLength: number(given, "dry.allowedLength", integer(1, 65536), "an integer from 1 to 65536", 2),
    lastN: number(given, "dry.lastN", integer(1, 65536), "an integer from 1 to 65536", 64),
    sequenceBreakers: [...breakers],
  };
}

function readMirostat(options: SamplingOptions): Sampling["mirostat"] {
  const given: { readonly version?: unknown } | undefined = group(options, "mirostat");
  if (given === undefined) return undefined;
  const { version } = given;
  if (version !== 1 && version !== 2) throw bad("mirostat.version", "1 or 2", version);
  const other = replacedByMirostat.find((name) => options[name] !== undefined);
  if (other !== undefined) throw bad(other, "nothing beside mirostat, which takes its place", "a value");
  return {
    version,
    tau: number(given, "mirostat.tau", aboveZero(1000), "a number above 0, up to 1000", 5),
    eta: number(given, "mirostat.eta", aboveZero(1), "a number above 0, up to 1", 0.1),
  };
}

function readAdaptiveP(options: SamplingOptions): Sampling["adaptiveP"] {
  const given = group(options, "adaptiveP");
  if (given === undefined) return undefined;
  const target = number(given, "adaptiveP.target", within(0, 1), "a number from 0 to 1", undefined);
  if (target === undefined) throw bad("adaptiveP.target", "a number from 0 to 1", undefined);
  return { target, decay: number(given, "adaptiveP.decay", within(0, 0.99), "a number from 0 to 0.99", 0.9) };
}

function readLogitBias(given: unknown): ReadonlyMap<number, number> {
  if (given === undefined) return new Map();
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw bad("logitBias", "a Map or an object from token id to number", given);
  const entries: [unknown, unknown][] = given instanceof Map ? [...given] : Object.entries(given).map(([id, value]) => [/^\d+$/.test(id) ? Number(id) : id, value]);
  const biases = new Map<number, number>();
  for (const [id, bias] of entries) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0) throw bad("logitBias", "token ids as keys", id);
    if (typeof bias !== "number" || !(bias === Number.NEGATIVE_INFINITY || Math.abs(bias) <= 1000)) {
      throw bad(`logitBias[${id}]`, "a number from -1000 to 1000, or -Infinity", bias);
    }
    biases.set(id, bias);
  }
  return biases;
}
