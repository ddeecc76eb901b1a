import { expertsNeeded, limits, matrixTypes, notTextModels, plainAttention, ropeScalings, vectorTypes } from "../abi/llama-v0.4.0-architectures.js";
import { DecoderError } from "../decoder-error.js";
import { readGgufHeader, type GgufHeader } from "../gguf-metadata.js";
import { checkAttention } from "./check-attention.js";
import { checkTokenizer } from "./check-tokenizer.js";
import { headerValues, type HeaderValues } from "./header-values.js";

/** Makes the error for a problem of the file. */
export type Fail = (problem: string) => DecoderError;

/**
 * Checks what llama.cpp takes for granted of a decoder's file and ends the process over: numbers of blocks and experts,
 * shapes of attention, the vocabulary, types of tensors. What it refuses by itself is left to it.
 * @throws DecoderError `bad-model-file`, or `unsupported-model` for what is no decoder or has a tokenizer that is not known
 */
export async function checkDecoderHeader(file: string): Promise<void> {
  const fail: Fail = (problem) => new DecoderError("bad-model-file", `loadDecoder: ${file}: ${problem}`);
  const unsupported: Fail = (problem) => new DecoderError("unsupported-model", `loadDecoder: ${file}: ${problem}`);
  let header: GgufHeader;
  try {
    header = await readGgufHeader(file);
  } catch (error) {
    throw new DecoderError("bad-model-file", `loadDecoder: ${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const values = headerValues(header);
  const { architecture } = values;
  if (Object.hasOwn(notTextModels, architecture)) throw unsupported(`expected a language model, got ${notTextModels[architecture]}`);
  const type = header.values.get("general.type")?.value;
  if (typeof type === "string" && type !== "model") throw unsupported(`expected a language model, got a GGUF of general.type ${JSON.stringify(type.slice(0, 40))}`);
  checkTokenizer(header, fail, unsupported);
  checkCounts(values, fail);
  const attention = Object.hasOwn(plainAttention, architecture) ? plainAttention[architecture] : undefined;
  checkAttention(header, values, attention, fail);
  checkTensors(header, fail);
}

function checkCounts(values: HeaderValues, fail: Fail): void {
  const { architecture, number, text, perBlock, ending } = values;
  const blocks = number("block_count");
  // Without it llama.cpp says that the key is missing.
  if (blocks === undefined) return;
  if (!(blocks >= 1 && blocks <= limits.blocks)) throw fail(`${architecture}.block_count: expected 1 to ${limits.blocks}, got ${blocks}`);
  const predicting = number("nextn_predict_layers") ?? 0;
  if (predicting >= blocks) throw fail(`${architecture}.nextn_predict_layers: expected fewer than the ${blocks} blocks, got ${predicting}`);
  const levels = number("n_deepstack_layers") ?? 0;
  if (levels > blocks) throw fail(`${architecture}.n_deepstack_layers: expected at most the ${blocks} blocks, got ${levels}`);
  const experts = number("expert_count") ?? 0;
  if (experts > limits.experts) throw fail(`${architecture}.expert_count: expected at most ${limits.experts}, got ${experts}`);
  if (experts === 0 && expertsNeeded.has(architecture)) throw fail(`${architecture}.expert_count: expected some experts, got none`);
  const used = Math.max(0, ...(perBlock("expert_used_count", blocks) ?? []));
  if (experts > 0 ? used < 1 || used > experts : used > 0) throw fail(`${architecture}.expert_used_count: expected ${experts > 0 ? `1 to ${experts}` : "none, as there are no experts"}, got ${used}`);
  const [groups, usedGroups] = [number("expert_group_count") ?? 0, number("expert_group_used_count") ?? 0];
  const groupsFit = experts === 0 ? groups === 0 : groups < experts && (groups <= 1 || (experts % groups === 0 && usedGroups > 0 && usedGroups < groups));
  if (!groupsFit) throw fail(`${architecture}.expert_group_count: expected groups that share ${experts} experts, got ${groups} with ${usedGroups} in use`);
  const scaling = text("rope.scaling.type");
  if (scaling !== undefined && !ropeScalings.includes(scaling)) throw fail(`${architecture}.rope.scaling.type: expected one of ${ropeScalings.join(", ")}, got ${JSON.stringify(scaling.slice(0, 40))}`);
  for (const key of ending("epsilon")) {
    const epsilon = number(key);
    if (epsilon !== undefined && !(epsilon >= 0 && epsilon < Infinity)) throw fail(`${architecture}.${key}: expected a number from 0 up, got ${epsilon}`);
  }
}

function checkTensors({ tensors }: GgufHeader, fail: Fail): void {
  for (const { name, shape, type } of tensors) {
    // One row is a vector, however many dimensions are written down.
    const matrix = shape.slice(1).some((dim) => dim > 1);
    if (!name.endsWith(".weight") && !name.endsWith(".bias")) continue;
    if ((matrix ? matrixTypes : vectorTypes).has(type)) continue;
    throw fail(`${JSON.stringify(name.slice(0, 80))}: expected a ${matrix ? "matrix" : "vector"} of floating-point or quantised numbers, got ggml type ${type}`);
  }
}
