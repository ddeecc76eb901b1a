import { DecoderError } from "../decoder-error.js";
import { GbnfParser, GbnfProblem, maxRepetitions, type GbnfNode, type GbnfRule, type GbnfSequence } from "./gbnf-parser.js";

const longestSource = 1024 * 1024;

/** Symbols that all repetitions together may be written out to; llama.cpp keeps each as 8 bytes. */
const mostSymbols = 1_000_000;

/** llama.cpp looks for left recursion by calling itself along chains of rules. */
const mostRules = 10_000;

/**
 * Checks a GBNF grammar before llama.cpp sees it: llama.cpp would print the problem, or end the process.
 * @returns the grammar
 * @throws DecoderError `bad-option` with line and column
 */
export function checkGrammar(source: unknown): string {
  if (typeof source !== "string") throw new DecoderError("bad-option", `generate: grammar: expected a string in GBNF, got ${typeof source}`);
  if (source.length > longestSource) throw new DecoderError("bad-option", `generate: grammar: expected at most ${longestSource} characters, got ${source.length}`);
  try {
    const nul = source.indexOf("\0");
    if (nul >= 0) throw new GbnfProblem("expected no NUL character", nul);
    const rules = new Map<string, GbnfRule>();
    for (const rule of new GbnfParser(source).rules()) {
      if (rules.has(rule.name)) throw new GbnfProblem(`expected one rule "${rule.name}", got two`, rule.at);
      if (rules.size === mostRules) throw new GbnfProblem(`expected at most ${mostRules} rules`, rule.at);
      rules.set(rule.name, rule);
    }
    if (!rules.has("root")) throw new GbnfProblem('expected a rule "root"', source.length);
    checkReferences(rules);
    checkSize(rules);
    checkLeftRecursion(rules);
    return source;
  } catch (error) {
    if (!(error instanceof GbnfProblem)) throw error;
    const before = source.slice(0, error.at).split(/\r\n|\r|\n/);
    const got = JSON.stringify(source.slice(error.at, error.at + 20));
    throw new DecoderError(
      "bad-option",
      `generate: grammar: line ${before.length}, column ${(before.at(-1) ?? "").length + 1}: ${error.message}; it goes on with ${got}`,
    );
  }
}

function* nodesOf(alternatives: readonly GbnfSequence[]): Generator<GbnfNode> {
  for (const sequence of alternatives) {
    for (const node of sequence) {
      yield node;
      if (node.type === "group") yield* nodesOf(node.alternatives);
      if (node.type === "repeat") yield* nodesOf([[node.node]]);
    }
  }
}

function checkReferences(rules: ReadonlyMap<string, GbnfRule>): void {
  for (const { alternatives } of rules.values()) {
    for (const node of nodesOf(alternatives)) {
      if (node.type === "rule" && !rules.has(node.name)) throw new GbnfProblem(`expected a rule "${node.name}", which is not defined`, node.at);
    }
  }
}

/** llama.cpp writes repetitions out. It limits the product of nested ones; the sum is limited here. */
function checkSize(rules: ReadonlyMap<string, GbnfRule>): void {
  let symbols = 0;
  const sizeOf = (node: GbnfNode): { symbols: number; rules: number } => {
    if (node.type === "literal") return { symbols: node.length, rules: 1 };
    if (node.type === "group") {
      const parts = node.alternatives.flat().map(sizeOf);
      return { symbols: 1 + parts.reduce((sum, part) => sum + part.symbols, 0), rules: 1 + parts.reduce((sum, part) => sum + part.rules, 0) };
    }
    if (node.type !== "repeat") return { symbols: 1, rules: 1 };
    const inner = sizeOf(node.node);
    const times = Math.max(1, Number.isFinite(node.max) ? node.max : node.min);
    if (inner.rules * times >= maxRepetitions) {
      throw new GbnfProblem(`expected fewer than ${maxRepetitions} repetitions, nested ones multiplied, got ${inner.rules * times}`, node.at);
    }
    return { symbols: (inner.symbols + 2) * times, rules: inner.rules * times };
  };
  for (const rule of rules.values()) {
    for (const node of rule.alternatives.flat()) symbols += sizeOf(node).symbols;
    if (symbols > mostSymbols) throw new GbnfProblem(`expected at most ${mostSymbols} symbols, repetitions written out`, rule.at);
  }
}

/**
 * A rule that can begin with itself would never end. llama.cpp also takes an endless repetition of something that can be
 * empty for one.
 */
function checkLeftRecursion(rules: ReadonlyMap<string, GbnfRule>): void {
  const empty = new Set<string>();
  const canBeEmpty = (node: GbnfNode): boolean => {
    switch (node.type) {
      case "symbol":
        return false;
      case "literal":
        return node.length === 0;
      case "rule":
        return empty.has(node.name);
      case "group":
        return node.alternatives.some((sequence) => sequence.every(canBeEmpty));
      case "repeat":
        return node.min === 0 || canBeEmpty(node.node);
    }
  };
  for (let before = -1; before !== empty.size; ) {
    before = empty.size;
    for (const rule of rules.values()) if (rule.alternatives.some((sequence) => sequence.every(canBeEmpty))) empty.add(rule.name);
  }
  for (const { alternatives } of rules.values()) {
    for (const node of nodesOf(alternatives)) {
      if (node.type === "repeat" && node.max === Number.POSITIVE_INFINITY && canBeEmpty(node.node)) {
        throw new GbnfProblem("expected an endless repetition of something that is never empty", node.at);
      }
    }
  }
  const firsts = (sequence: GbnfSequence): string[] => {
    const names: string[] = [];
    for (const node of sequence) {
      if (node.type === "rule") names.push(node.name);
      if (node.type === "group") names.push(...node.alternatives.flatMap(firsts));
      if (node.type === "repeat") names.push(...firsts([node.node]));
      if (!canBeEmpty(node)) break;
    }
    return names;
  };
  const begins = new Map([...rules.values()].map((rule) => [rule.name, new Set(rule.alternatives.flatMap(firsts))]));
  const done = new Set<string>();
  for (const start of rules.keys()) {
    // A walk without recursion: a chain of rules may be long.
    const path: { readonly name: string; readonly next: Iterator<string> }[] = [];
    const onPath = new Set<string>();
    const enter = (name: string): void => {
      if (onPath.has(name)) throw new GbnfProblem(`expected a rule that does not begin with itself, got "${name}"`, rules.get(name)?.at ?? 0);
      if (done.has(name)) return;
      onPath.add(name);
      path.push({ name, next: (begins.get(name) ?? new Set<string>()).values() });
    };
    enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const step = top.next.next();
      if (step.done === true) {
        path.pop();
        onPath.delete(top.name);
        done.add(top.name);
      } else {
        enter(step.value);
      }
    }
  }
}
