import { DecoderError } from "../decoder-error.js";
import { repeat } from "./grammar-text.js";
import { integerRange } from "./integer-range.js";
import { basicRules, constant, formats } from "./json-text.js";
import { objectBody } from "./object-grammar.js";
import { patternGrammar } from "./pattern-grammar.js";

/** A JSON schema: an object, or true for any value. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** Keywords that say nothing about the values. */
const annotations: ReadonlySet<string> = new Set([
  "$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly",
]);

/** Type -> the keywords that are kept for it. */
const keywordsOfTypes: Readonly<Record<string, readonly string[]>> = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "prefixItems", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "pattern", "format"],
  integer: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
  number: [],
  boolean: [],
  null: [],
};

/** Items and characters that a schema may count. */
const mostRepetitions = 999_999;
const mostItems = 1999;

/** Schemas inside one another. */
const deepest = 100;

/**
 * A GBNF grammar whose texts are the JSON values that a schema describes.
 *
 * Kept: type (also several), nullable, enum, const, $ref inside the schema, anyOf, oneOf (read as anyOf), allOf with one
 * entry; properties (in their order), required, additionalProperties; items, prefixItems, minItems, maxItems (up to 1999);
 * minLength, maxLength, pattern (anchored, see patternGrammar), format date, time, date-time and uuid; minimum and maximum
 * of integers, exclusive or not. Properties that the schema does not name come only where additionalProperties says so.
 * @throws DecoderError `bad-option`: any other keyword, with its name and place, since values would not be held to it
 */
export function jsonSchemaGrammar(schema: unknown): string {
  return new Converter(schema).convert();
}

/** What parts of the conversion use of each other. */
export interface SchemaContext {
  /** The name of a rule for a schema. */
  readonly rule: (schema: unknown, path: string) => string;
  /** Names a new rule with this body. */
  readonly define: (hint: string, body: string) => string;
  /** The name of one of the basic rules. */
  readonly basic: (name: string) => string;
  readonly problem: (path: string, message: string) => DecoderError;
}

class Converter implements SchemaContext {
  readonly #root: unknown;
  readonly #rules = new Map<string, string>();
  readonly #names = new Map<string, string>();
  readonly #references = new Map<string, string>();
  #depth = 0;

  constructor(schema: unknown) {
    this.#root = schema;
  }

  convert(): string {
    const start = this.rule(this.#root, "#");
    const lines = [`root ::= ${start}`, ...[...this.#rules].map(([name, body]) => `${name} ::= ${body}`)];
    return `${lines.join("\n")}\n`;
  }

  define = (hint: string, body: string): string => {
    // The same body twice is one rule: enums and lengths repeat.
    const known = this.#names.get(body);
    if (known !== undefined) return known;
    const name = `${hint}-${this.#rules.size}`;
    this.#rules.set(name, body);
    this.#names.set(body, name);
    return name;
  };

  basic = (name: string): string => {
    const rule = basicRules[name];
    if (rule !== undefined && !this.#rules.has(name)) {
      this.#rules.set(name, rule.body);
      for (const need of rule.needs) this.basic(need);
    }
    return name;
  };

  problem = (path: string, message: string): DecoderError => new DecoderError("bad-option", `generate: jsonSchema: ${path}: ${message}`);

  rule = (schema: unknown, path: string): string => {
    if (schema === true) return this.basic("value");
    if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
      throw this.problem(path, `expected a schema, an object or true, got ${schema === null ? "null" : Array.isArray(schema) ? "an array" : String(schema)}`);
    }
    if (++this.#depth > deepest) throw this.problem(path, `expected at most ${deepest} schemas inside one another`);
    const rule = this.#object(schema as Readonly<Record<string, unknown>>, path);
    this.#depth--;
    return rule;
  };

  #object(schema: Readonly<Record<string, unknown>>, path: string): string {
    const { nullable, ...rest } = schema;
    if (nullable !== undefined && typeof nullable !== "boolean") throw this.problem(`${path}/nullable`, `expected true or false, got ${String(nullable)}`);
    const rule = this.#withoutNull(rest, path);
    return nullable === true ? this.define("nullable", `${rule} | ${this.basic("null")}`) : rule;
  }

  #withoutNull(schema: Readonly<Record<string, unknown>>, path: string): string {
    const keywords = Object.keys(schema).filter((keyword) => !annotations.has(keyword) && schema[keyword] !== undefined);
    for (const keyword of ["$ref", "anyOf", "oneOf", "allOf"]) {
      if (!keywords.includes(keyword)) continue;
      const beside = keywords.find((other) => other !== keyword);
      if (beside !== undefined) throw this.problem(`${path}/${beside}`, `"${beside}" beside "${keyword}" is not supported; put it inside`);
      return keyword === "$ref" ? this.#reference(schema["$ref"], path) : this.#choice(keyword, schema[keyword], path);
    }
    if (keywords.includes("const") || keywords.includes("enum")) return this.#constants(schema, keywords, path);
    if (schema["type"] === undefined) {
      const type = Object.keys(keywordsOfTypes).find((name) => keywordsOfTypes[name]?.some((keyword) => keywords.includes(keyword)));
      const foreign = keywords.find((keyword) => type === undefined || !keywordsOfTypes[type]?.includes(keyword));
      if (foreign !== undefined) throw this.#unsupported(path, foreign, type === undefined ? [] : [type]);
      return type === undefined ? this.basic("value") : this.#typed(type, schema, keywords, path);
    }
    const types: unknown[] = Array.isArray(schema["type"]) ? schema["type"] : [schema["type"]];
    if (types.length === 0) throw this.problem(`${path}/type`, "expected at least one type");
    const own = keywords.filter((keyword) => keyword !== "type");
    const foreign = own.find((keyword) => !types.some((type) => typeof type === "string" && keywordsOfTypes[type]?.includes(keyword)));
    if (foreign !== undefined) throw this.#unsupported(path, foreign, types);
    const rules = types.map((type) => {
      if (typeof type !== "string" || !Object.hasOwn(keywordsOfTypes, type)) {
        throw this.problem(`${path}/type`, `expected one of ${Object.keys(keywordsOfTypes).join(", ")}, got ${JSON.stringify(type)}`);
      }
      return this.#typed(type, schema, own, path);
    });
    return rules.length === 1 ? (rules[0] ?? "") : this.define("types", rules.join(" | "));
  }

  #unsupported(path: string, keyword: string, types: readonly unknown[] = []): DecoderError {
    return this.problem(`${path}/${keyword}`, `the keyword "${keyword}" is not supported${types.length === 0 ? "" : ` for the type ${types.map((type) => JSON.stringify(type)).join(" or ")}`}`);
  }

  #typed(type: string, schema: Readonly<Record<string, unknown>>, keywords: readonly string[], path: string): string {
    const own = keywordsOfTypes[type] ?? [];
    if (!own.some((keyword) => keywords.includes(keyword))) return this.basic(type);
    switch (type) {
      case "object":
        return this.define("object", objectBody(this, schema, path));
      case "array":
        return this.define("array", this.#array(schema, path));
      case "string":
        return this.define("string", this.#string(schema, path));
      default:
        return this.define("integer", this.#integer(schema, path));
    }
  }

  /** The rule's name is known before its body, so that a schema may contain itself. */
  #reference(reference: unknown, path: string): string {
    if (typeof reference !== "string" || !/^#(\/|$)/.test(reference)) throw this.problem(`${path}/$ref`, `expected a reference inside this schema ("#/..."), got ${JSON.stringify(reference)}`);
    const known = this.#references.get(reference);
    if (known !== undefined) return known;
    let target: unknown = this.#root;
    for (const part of reference.split("/").slice(1)) {
      const key = unescapePointer(part);
      target = typeof target === "object" && target !== null && Object.hasOwn(target, key) ? Reflect.get(target, key) : undefined;
    }
    if (target === undefined) throw this.problem(`${path}/$ref`, `nothing is at ${reference}`);
    const name = `ref-${this.#references.size}`;
    this.#references.set(reference, name);
    this.#rules.set(name, this.rule(target, reference));
    return name;
  }

  #choice(keyword: string, entries: unknown, path: string): string {
    if (!Array.isArray(entries) || entries.length === 0) throw this.problem(`${path}/${keyword}`, "expected an array of schemas, at least one");
    if (keyword === "allOf" && entries.length > 1) throw this.problem(`${path}/allOf`, '"allOf" with several entries is not supported; write them as one schema');
    const rules = entries.map((entry, index) => this.rule(entry, `${path}/${keyword}/${index}`));
    return rules.length === 1 ? (rules[0] ?? "") : this.define("choice", rules.join(" | "));
  }

  #constants(schema: Readonly<Record<string, unknown>>, keywords: readonly string[], path: string): string {
    const beside = keywords.find((keyword) => !["const", "enum", "type"].includes(keyword));
    if (beside !== undefined) throw this.problem(`${path}/${beside}`, `"${beside}" beside "${keywords.includes("const") ? "const" : "enum"}" is not supported`);
    const values: unknown = keywords.includes("const") ? [schema["const"]] : schema["enum"];
    if (!Array.isArray(values) || values.length === 0) throw this.problem(`${path}/enum`, "expected an array of values, at least one");
    const types: unknown[] = schema["type"] === undefined ? [] : [schema["type"]].flat();
    const fitting = types.length === 0 ? values : values.filter((value) => types.some((type) => isOfType(value, type)));
    if (fitting.length === 0) throw this.problem(path, `expected values of the type ${JSON.stringify(schema["type"])}`);
    return this.define("constant", fitting.map(constant).join(" | "));
  }

  #array(schema: Readonly<Record<string, unknown>>, path: string): string {
    const [min, max] = this.#bounds(schema, path, "minItems", "maxItems", mostItems);
    const ws = this.basic("ws");
    const prefix: unknown = schema["prefixItems"];
    if (prefix !== undefined) {
      if (!Array.isArray(prefix) || prefix.length === 0) throw this.problem(`${path}/prefixItems`, "expected an array of schemas, at least one");
      if (schema["items"] !== undefined && schema["items"] !== false) throw this.problem(`${path}/items`, '"items" beside "prefixItems" is not supported, but false');
      if (min > prefix.length || max < prefix.length) throw this.problem(path, `expected minItems and maxItems around the ${prefix.length} prefixItems`);
      return `"[" ${ws} ${prefix.map((entry, index) => this.rule(entry, `${path}/prefixItems/${index}`)).join(` ${ws} "," ${ws} `)} ${ws} "]"`;
    }
    if (max === 0) return `"[" ${ws} "]"`;
    const item = this.rule(schema["items"] ?? true, `${path}/items`);
    const more = repeat(this.define("item", `${ws} "," ${ws} ${item}`), Math.max(0, min - 1), max - 1, this.define);
    return min === 0 ? `"[" ${ws} (${item} ${more} ${ws})? "]"` : `"[" ${ws} ${item} ${more} ${ws} "]"`;
  }

  #string(schema: Readonly<Record<string, unknown>>, path: string): string {
    const { pattern, format } = schema;
    const [min, max] = this.#bounds(schema, path, "minLength", "maxLength", mostRepetitions);
    if (pattern === undefined && format === undefined) return `"\\"" ${repeat(this.basic("char"), min, max, this.define)} "\\""`;
    const beside = ["minLength", "maxLength", ...(pattern === undefined ? [] : ["format"])].find((keyword) => schema[keyword] !== undefined);
    const which = pattern === undefined ? "format" : "pattern";
    if (beside !== undefined) throw this.problem(`${path}/${beside}`, `"${beside}" beside "${which}" is not supported`);
    if (pattern !== undefined) return `"\\"" ${patternGrammar(pattern, (message) => this.problem(`${path}/pattern`, message))} "\\""`;
    const body = typeof format === "string" && Object.hasOwn(formats, format) ? formats[format] : undefined;
    if (body === undefined) throw this.problem(`${path}/format`, `expected one of ${Object.keys(formats).join(", ")}, got ${JSON.stringify(format)}`);
    return `"\\"" ${body} "\\""`;
  }

  #integer(schema: Readonly<Record<string, unknown>>, path: string): string {
    const bound = (keyword: string, fallback: number): number => {
      const value: unknown = schema[keyword];
      if (value === undefined) return fallback;
      if (typeof value !== "number" || !Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER) {
        throw this.problem(`${path}/${keyword}`, `expected a number of at most ${Number.MAX_SAFE_INTEGER}, got ${JSON.stringify(value)}`);
      }
      return value;
    };
    const low = Math.max(Math.ceil(bound("minimum", Number.NEGATIVE_INFINITY)), Math.floor(bound("exclusiveMinimum", Number.NEGATIVE_INFINITY)) + 1);
    const high = Math.min(Math.floor(bound("maximum", Number.POSITIVE_INFINITY)), Math.ceil(bound("exclusiveMaximum", Number.POSITIVE_INFINITY)) - 1);
    if (low > high) throw this.problem(path, "no integer is within minimum and maximum");
    return integerRange(low, high);
  }

  #bounds(schema: Readonly<Record<string, unknown>>, path: string, minKeyword: string, maxKeyword: string, most: number): [min: number, max: number] {
    const bound = (keyword: string, fallback: number): number => {
      const value: unknown = schema[keyword];
      if (value === undefined) return fallback;
      if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most) {
        throw this.problem(`${path}/${keyword}`, `expected an integer from 0 to ${most}, got ${JSON.stringify(value)}`);
      }
      return value;
    };
    const [min, max] = [bound(minKeyword, 0), bound(maxKeyword, Number.POSITIVE_INFINITY)];
    if (min > max) throw this.problem(path, `expected ${minKeyword} up to ${maxKeyword}, got ${min} and ${max}`);
    return [min, max];
  }
}

/** A part of a JSON pointer in a URI fragment. */
function unescapePointer(part: string): string {
  const unescaped = part.replace(/%[0-9a-fA-F]{2}/g, (hex) => String.fromCharCode(Number.parseInt(hex.slice(1), 16)));
  return unescaped.replaceAll("~1", "/").replaceAll("~0", "~");
}

function isOfType(value: unknown, type: unknown): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}
