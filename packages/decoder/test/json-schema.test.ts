import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonSchemaGrammar, loadDecoder, type Decoder, type JsonSchema, type Segment } from "../src/index.js";
import { imEnd, writeTinyModel } from "./tiny-model.js";

let directory: string;
let decoder: Decoder;

const prompt: Segment[] = [{ type: "tokens", tokens: Int32Array.from(Buffer.from("json")) }];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "sightline-schema-"));
  const file = path.join(directory, "flat.gguf");
  await writeTinyModel(file, { seed: 8, outputNorm: 0.1, trainContextLength: 4096 });
  decoder = await loadDecoder(file, { contextLength: 3000 });
});
afterAll(async () => {
  await decoder[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

/** Values that the schema allows, as many as seeds; closing characters are made likely, so that a random model ends. */
async function values(schema: JsonSchema, seeds: number): Promise<unknown[]> {
  using sequence = decoder.createSequence();
  const found: unknown[] = [];
  // Bytes that can begin an overlong character: llama.cpp's grammars take it for one, TextDecoder for several.
  const logitBias = { ...Object.fromEntries([...'"}],:'].map((char) => [char.charCodeAt(0), 4])), 0xe0: Number.NEGATIVE_INFINITY, 0xf0: Number.NEGATIVE_INFINITY };
  for (let seed = 0; seed < seeds; seed++) {
    const { text, finishReason } = await sequence.generate(prompt, { jsonSchema: schema, sampling: { temperature: 1, seed, logitBias: { ...logitBias, [imEnd]: 6 } } }).result;
    expect(finishReason, text).toBe("stop");
    found.push(JSON.parse(text));
  }
  return found;
}

const keys = (value: unknown): string[] => Object.keys(value as object);
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const isShortString = (low: number, high: number) => (value: unknown): boolean => typeof value === "string" && [...value].length >= low && [...value].length <= high;

const person: JsonSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Person",
  type: "object",
  properties: { name: { type: "string", minLength: 1, maxLength: 5 }, age: { type: "integer", minimum: 0, maximum: 130 }, tags: { type: "array", items: { enum: ["a", "b\"c", null, 3] }, maxItems: 3 } },
  required: ["name", "tags"],
  additionalProperties: false,
};

const tree: JsonSchema = {
  $ref: "#/$defs/node",
  $defs: { node: { type: "object", properties: { v: { type: "boolean" }, next: { anyOf: [{ type: "null" }, { $ref: "#/$defs/node" }] } }, required: ["v", "next"] } },
};

const isTree = (value: unknown): boolean => isObject(value) && keys(value).join() === "v,next" && typeof value["v"] === "boolean" && (value["next"] === null || isTree(value["next"]));

const cases: readonly (readonly [name: string, schema: JsonSchema, holds: (value: unknown) => boolean])[] = [
  [
    "an object with required and optional properties",
    person,
    (value) =>
      isObject(value) &&
      ["name,tags", "name,age,tags"].includes(keys(value).join()) &&
      isShortString(1, 5)(value["name"]) &&
      (value["age"] === undefined || (Number.isInteger(value["age"]) && (value["age"] as number) >= 0 && (value["age"] as number) <= 130)) &&
      Array.isArray(value["tags"]) &&
      value["tags"].length <= 3 &&
      value["tags"].every((tag) => ["a", 'b"c', null, 3].includes(tag as never)),
  ],
  ["optional properties only", { properties: { a: { const: 1 }, b: { const: [2, "x"] }, c: { const: { d: null } } } }, (value) => isObject(value) && keys(value).every((key) => "abc".includes(key)) && keys(value).join() === keys(value).sort().join()],
  [
    "additional properties of a schema, never under a name that has its own",
    { type: "object", properties: { ab: { type: "null" } }, required: ["ab"], additionalProperties: { type: "integer", minimum: -5, maximum: 5 } },
    (value) => isObject(value) && Object.entries(value).every(([key, entry]) => (key === "ab" ? entry === null : Number.isInteger(entry) && Math.abs(entry as number) <= 5)),
  ],
  ["a required property that has no schema", { type: "object", properties: {}, required: ["x"] }, (value) => isObject(value) && keys(value).join() === "x"],
  ["an array between bounds", { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 4 }, (value) => Array.isArray(value) && value.length >= 2 && value.length <= 4 && value.every((item) => typeof item === "boolean")],
  ["an empty array", { type: "array", maxItems: 0 }, (value) => Array.isArray(value) && value.length === 0],
  ["a tuple", { type: "array", prefixItems: [{ const: "x" }, { type: "null" }], items: false }, (value) => JSON.stringify(value) === '["x",null]'],
  ["a choice", { anyOf: [{ const: "é\n" }, { type: "array", items: { type: "null" }, minItems: 1, maxItems: 1 }] }, (value) => value === "é\n" || JSON.stringify(value) === "[null]"],
  ["oneOf and allOf of one", { oneOf: [{ allOf: [{ enum: [1, 2] }] }, { const: true }] }, (value) => [1, 2, true].includes(value as never)],
  ["several types", { type: ["string", "null"], maxLength: 2 }, (value) => value === null || isShortString(0, 2)(value)],
  ["a nullable", { type: "boolean", nullable: true }, (value) => value === null || typeof value === "boolean"],
  ["an enum of one type", { type: "integer", enum: [1, "1", 2.5, 7] }, (value) => value === 1 || value === 7],
  ["itself", tree, isTree],
  ["a reference by pointer", { type: "array", prefixItems: [{ const: "a/b" }, { $ref: "#/prefixItems/0" }] }, (value) => JSON.stringify(value) === '["a/b","a/b"]'],
  ["a string of exactly 7", { type: "string", minLength: 7, maxLength: 7 }, isShortString(7, 7)],
  ["a long string", { type: "string", minLength: 1100, maxLength: 1203 }, isShortString(1100, 1203)],
  ["a pattern", { type: "string", pattern: '^(\\d{3}-)?[A-C"\\\\]+(x|y\\.z)?$' }, (value) => typeof value === "string" && /^(\d{3}-)?[A-C"\\]+(x|y\.z)?$/.test(value)],
  ["a pattern of opposites", { type: "string", pattern: "^[^a-y]{2}\\W.{0,2}$" }, (value) => typeof value === "string" && /^[^a-y]{2}\W.{0,2}$/u.test(value)],
  ["a date", { type: "string", format: "date" }, (value) => !Number.isNaN(Date.parse(value as string)) && /^\d{4}-\d\d-\d\d$/.test(value as string)],
  ["a date and time", { type: "string", format: "date-time" }, (value) => !Number.isNaN(Date.parse(value as string))],
  ["a uuid", { format: "uuid" }, (value) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value as string)],
  ["integers below 0", { type: "integer", exclusiveMaximum: 0, minimum: -105 }, (value) => Number.isInteger(value) && (value as number) < 0 && (value as number) >= -105],
  ["integers around 0", { minimum: -12, exclusiveMaximum: 1207.5 }, (value) => Number.isInteger(value) && (value as number) >= -12 && (value as number) <= 1207],
  ["any integer", { type: "integer" }, Number.isSafeInteger],
  ["any number", { type: "number" }, Number.isFinite],
];

describe("a schema", () => {
  it.each(cases)("of %s holds for all that is generated", async (_, schema, holds) => {
    const long = JSON.stringify(schema).includes("1203");
    for (const value of await values(schema, long ? 2 : 40)) expect(holds(value), JSON.stringify(value)).toBe(true);
  });

  it("of anything gives JSON", async () => {
    using sequence = decoder.createSequence();
    let whole = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { text, finishReason } = await sequence.generate(prompt, { jsonSchema: seed % 2 === 0 ? true : {}, maxTokens: 300, sampling: { temperature: 1, seed, logitBias: { 34: 4, 93: 6, 125: 6, [imEnd]: 6 } } }).result;
      if (finishReason !== "stop") continue;
      expect(() => JSON.parse(text)).not.toThrow();
      whole++;
    }
    expect(whole).toBeGreaterThan(20);
  });

  it("with all its integers, and no others", async () => {
    for (const [minimum, maximum] of [[0, 9], [7, 13], [-3, 3], [98, 102], [-11, -9], [0, 0]] as const) {
      const found = new Set(await values({ type: "integer", minimum, maximum }, 160));
      expect([...found].sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: maximum - minimum + 1 }, (_, i) => minimum + i));
    }
  });
});

describe("integer ranges", () => {
  it("match exactly their numbers", () => {
    for (const [low, high] of [[0, 5], [3, 1234], [-50, 70], [-1234, -99], [999, 1001], [10, 10]] as const) {
      const line = jsonSchemaGrammar({ type: "integer", minimum: low, maximum: high }).split("\n").find((text) => text.startsWith("integer-")) ?? "";
      // This part of GBNF becomes a regular expression by taking its quotes and spaces away.
      const body = new RegExp(`^(?:${line.slice(line.indexOf("::=") + 3).replaceAll('"', "").replaceAll(" ", "")})$`);
      for (let n = -2000; n <= 2000; n++) expect(body.test(String(n)), `${n} in ${low}..${high}`).toBe(n >= low && n <= high);
      expect(body.test("00")).toBe(false);
      expect(body.test("-0")).toBe(false);
    }
  });
});

describe("schemas that are refused, with the keyword and its place", () => {
  it.each<[unknown, string]>([
    [{ type: "number", minimum: 3 }, 'jsonSchema: #/minimum: the keyword "minimum" is not supported for the type "number"'],
    [{ type: "object", properties: { a: { type: "array", uniqueItems: true } } }, '#/properties/a/uniqueItems: the keyword "uniqueItems"'],
    [{ patternProperties: {} }, 'the keyword "patternProperties"'],
    [{ not: {} }, 'the keyword "not"'],
    [{ if: {} }, 'the keyword "if"'],
    [{ properties: {}, minLength: 2 }, 'the keyword "minLength" is not supported for the type "object"'],
    [{ type: "text" }, '#/type: expected one of object, array, string, integer, number, boolean, null, got "text"'],
    [{ type: [] }, "at least one type"],
    [{ enum: [] }, "#/enum: expected an array of values"],
    [{ type: "string", enum: [1] }, 'expected values of the type "string"'],
    [{ const: 1, minimum: 2 }, '"minimum" beside "const"'],
    [{ anyOf: [] }, "#/anyOf: expected an array of schemas"],
    [{ allOf: [{}, {}] }, '"allOf" with several entries'],
    [{ $ref: "#/$defs/x" }, "#/$ref: nothing is at #/$defs/x"],
    [{ $ref: "other.json" }, "a reference inside this schema"],
    [{ $ref: "#", type: "object" }, '"type" beside "$ref"'],
    [{ type: "string", pattern: "abc" }, 'an anchored pattern, "^...$", got "abc"'],
    [{ type: "string", pattern: "^(?=a)$" }, '#/pattern: groups that begin with "(?"'],
    [{ type: "string", pattern: "^\\b$" }, "the escape \\b is not supported"],
    [{ type: "string", pattern: "^a{2000}$" }, "both below 1000, got {2000}"],
    [{ type: "string", format: "email" }, '#/format: expected one of date, time, date-time, uuid, got "email"'],
    [{ type: "string", minLength: 3, maxLength: 2 }, "minLength up to maxLength, got 3 and 2"],
    [{ type: "array", minItems: 5000 }, "#/minItems: expected an integer from 0 to 1999"],
    [{ type: "integer", minimum: 3, maximum: 2 }, "no integer is within"],
    [{ type: "integer", minimum: Number.NaN }, "#/minimum: expected a number"],
    [{ type: "object", required: ["b"], properties: { a: {} }, additionalProperties: false }, 'expected "b" among the properties'],
    [{ type: "array", items: false }, "#/items: expected a schema, an object or true, got false"],
    [false, "#: expected a schema, an object or true, got false"],
    [null, "got null"],
    [7, "got 7"],
    [Array.from({ length: 150 }).reduce<object>((inner) => ({ type: "array", items: inner }), {}), "at most 100 schemas inside one another"],
  ])("%j", (schema, message) => {
    using sequence = decoder.createSequence();
    expect(() => sequence.generate(prompt, { jsonSchema: schema as never })).toThrow(message);
  });

  it("a schema that is only itself", () => {
    using sequence = decoder.createSequence();
    expect(() => sequence.generate(prompt, { jsonSchema: { $ref: "#" } })).toThrow("does not begin with itself");
  });
});
