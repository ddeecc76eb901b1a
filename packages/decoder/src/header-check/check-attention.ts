import { multiAxis } from "../abi/llama-v0.4.0-architectures.js";
import type { GgufHeader } from "../gguf-metadata.js";
import type { Fail } from "./check-decoder-header.js";
import type { HeaderValues } from "./header-values.js";

/**
 * Checks that heads, their widths and what is rotated of them agree with each other and with the matrices. llama.cpp
 * compares them while it computes, if at all.
 * @param plain how much of a head is rotated, for architectures whose attention is known to be plain
 */
export function checkAttention(header: GgufHeader, values: HeaderValues, plain: "whole" | "part" | undefined, fail: Fail): void {
  const { architecture, number, perBlock } = values;
  const [blocks, width] = [number("block_count"), number("embedding_length")];
  if (blocks === undefined || width === undefined) return;
  const heads = perBlock("attention.head_count", blocks);
  if (heads === undefined) return;
  const first = heads[0] ?? 0;
  const shared = first > 0 ? Math.floor(width / first) : 0;
  const keyWidth = number("attention.key_length") ?? shared;
  const valueWidth = number("attention.value_length") ?? shared;
  checkRotation(values, keyWidth, plain, fail);
  if (plain === undefined) return;
  if (keyWidth < 1 || keyWidth !== valueWidth) throw fail(`expected ${architecture}.attention.key_length and value_length to be one width above 0, got ${keyWidth} and ${valueWidth}`);
  const keyValueHeads = perBlock("attention.head_count_kv", blocks) ?? heads;
  for (let block = 0; block < blocks; block++) {
    const [count, keys] = [heads[block] ?? 0, keyValueHeads[block] ?? 0];
    if (count < 1 || keys < 1 || count % keys !== 0) throw fail(`block ${block}: expected ${architecture}.attention.head_count to be a multiple of head_count_kv, got ${count} and ${keys}`);
  }
  checkMatrices(header, { heads, keyValueHeads, headWidth: keyWidth }, fail);
}

function checkRotation({ architecture, number, list }: HeaderValues, keyWidth: number, plain: "whole" | "part" | undefined, fail: Fail): void {
  const windowWidth = number("attention.key_length_swa") ?? keyWidth;
  for (const [key, most] of [["rope.dimension_count", keyWidth], ["rope.dimension_count_swa", windowWidth]] as const) {
    const rotated = number(key);
    if (rotated === undefined) continue;
    // Elsewhere a part of a head may have a width of its own that is rotated (multi-head latent attention).
    const fits = plain === undefined ? rotated % 2 === 0 : plain === "whole" && key === "rope.dimension_count" ? rotated === most : rotated % 2 === 0 && rotated <= most;
    if (!fits) throw fail(`${architecture}.${key}: expected ${plain === "whole" ? `${most}, the width of a head` : `an even number up to ${most}`}, got ${rotated}`);
  }
  if (plain !== undefined && keyWidth % 2 !== 0) throw fail(`${architecture}.attention.key_length: expected an even number, since pairs are rotated, got ${keyWidth}`);
  const sections = list("rope.dimension_sections", 8);
  if (sections === undefined) {
    if (multiAxis.has(architecture)) throw fail(`expected ${architecture}.rope.dimension_sections, which its positions need, got none`);
    return;
  }
  const sum = sections.reduce((total, section) => total + section, 0);
  if (sections.some((section) => !(section >= 0)) || !(sum <= Math.max(keyWidth, 0)) || (multiAxis.has(architecture) && !sections.slice(0, 3).some((section) => section > 0))) {
    throw fail(`${architecture}.rope.dimension_sections: expected shares of a head of width ${keyWidth}, got ${JSON.stringify(sections)}`);
  }
}

interface Heads {
  readonly heads: readonly number[];
  readonly keyValueHeads: readonly number[];
  readonly headWidth: number;
}

function checkMatrices({ tensors }: GgufHeader, { heads, keyValueHeads, headWidth }: Heads, fail: Fail): void {
  for (const { name, shape } of tensors) {
    const [, block, part] = /^blk\.(\d+)\.attn_(q|k|v|output)\.weight$/.exec(name) ?? [];
    if (block === undefined) continue;
    const count = (part === "q" || part === "output" ? heads : keyValueHeads)[Number(block)];
    // GGUF has the inner dimension first: what a matrix reads, then what it gives.
    const found = part === "output" ? shape[0] : shape[1];
    if (count !== undefined && found !== count * headWidth) throw fail(`"${name}": expected ${count} heads of width ${headWidth}, got ${found} values`);
  }
}
