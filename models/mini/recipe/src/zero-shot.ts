import { Graph, openSession, type Tensor, type TensorValue } from "@sightline/graph";
import type { ParameterSet } from "@sightline/contrastive";
import { patchCount, siglipPatchTokens, siglipPooledEmbedding, siglipTextEmbedding } from "@sightline/vision-tower";
import { miniText, miniVision } from "./mini-config.js";
import { copyPatch, patchWidth } from "./patches.js";
import { normalizedPatches } from "./tower-graph.js";
import type { TextTokens } from "./text-tokens.js";

export interface LabelledImage {
  /** uint8[H, W, 3] at the tower's size. */
  readonly pixels: Uint8Array;
  readonly name: string;
}

/**
 * Zero-shot top-1 accuracy of the towers under training: the name whose text embedding lies closest to the image's.
 */
export async function zeroShotAccuracy(
  parameters: ParameterSet,
  vocabularySize: number,
  tokens: TextTokens,
  names: readonly string[],
  images: readonly LabelledImage[],
): Promise<number> {
  const imageEmbeddings = await embedImages(parameters, images);
  const textEmbeddings = await embedNames(parameters, vocabularySize, tokens, names);
  const { width } = miniVision;
  let right = 0;
  images.forEach(({ name }, i) => {
    let best = -Infinity;
    let bestName = "";
    names.forEach((candidate, j) => {
      let dot = 0;
      for (let d = 0; d < width; d++) dot += (imageEmbeddings[i * width + d] as number) * (textEmbeddings[j * width + d] as number);
      if (dot > best) [best, bestName] = [dot, candidate];
    });
    if (bestName === name) right++;
  });
  return right / images.length;
}

async function embedImages(parameters: ParameterSet, images: readonly LabelledImage[]): Promise<Float32Array> {
  const batch = images.length;
  const patches = patchCount(miniVision);
  const graph = new Graph();
  const weights = weightsOf(graph, parameters);
  const tokens = siglipPatchTokens(normalizedPatches(graph, batch, patches), weights, miniVision, { fused: true });
  graph.output("pooled", siglipPooledEmbedding(tokens, weights, miniVision));
  const data = new Uint8Array(batch * patches * patchWidth);
  images.forEach(({ pixels }, i) => {
    for (let p = 0; p < patches; p++) copyPatch(pixels, p, data, (i * patches + p) * patchWidth);
  });
  return run(graph, { patches: { dtype: "uint8", shape: [batch, patches, patchWidth], data } });
}

async function embedNames(parameters: ParameterSet, vocabularySize: number, tokens: TextTokens, names: readonly string[]): Promise<Float32Array> {
  const graph = new Graph();
  const ids = graph.input("tokens", "int64", [names.length, miniText.maxTokens]);
  graph.output("pooled", siglipTextEmbedding(ids, weightsOf(graph, parameters), { ...miniText, vocabularySize }, { fused: true }));
  const data = new BigInt64Array(names.length * miniText.maxTokens);
  names.forEach((name, i) => data.set(tokens.encode(`a photo of a ${name}`), i * miniText.maxTokens));
  const embeddings = await run(graph, { tokens: { dtype: "int64", shape: [names.length, miniText.maxTokens], data } });
  // The cosine's denominator on the text side; the image's is the same for every name.
  for (let i = 0; i < names.length; i++) {
    const row = embeddings.subarray(i * miniText.projectionWidth, (i + 1) * miniText.projectionWidth);
    const norm = Math.hypot(...row);
    row.forEach((value, d) => {
      row[d] = value / norm;
    });
  }
  return embeddings;
}

function weightsOf(graph: Graph, parameters: ParameterSet): (name: string) => Tensor {
  const known = new Map<string, Tensor>();
  return (name) => {
    const before = known.get(name);
    if (before) return before;
    const slot = parameters.slots.find((candidate) => candidate.name === name);
    const tensor = graph.weight(name, "float32", slot?.shape ?? [], parameters.get(name));
    known.set(name, tensor);
    return tensor;
  };
}

async function run(graph: Graph, inputs: Record<string, TensorValue>): Promise<Float32Array> {
  await using session = await openSession(graph, { device: "cpu" });
  return (await session.run(inputs))["pooled"]?.data as Float32Array;
}
