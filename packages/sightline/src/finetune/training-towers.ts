import type { Parameter, TwoTowers } from "@sightline/contrastive";
import { div, scale, sub, transpose, type Graph, type Tensor } from "@sightline/graph";
import { patchesOf, siglipPatchTokens, siglipPooledEmbedding, siglipTextEmbedding, type Normalization, type PerChannel, type SiglipConfig, type SiglipVisionConfig } from "@sightline/vision-tower";

/**
 * Both towers of SigLIP as training graphs take them. Inputs: `pixels` uint8[C, H, W, 3], as images are decoded, and
 * `tokens` int64[C, T].
 * @param frozen where parameters that are not trained come from, as `weightParameters` of a checkpoint
 */
export function siglipTowers({ vision, text }: SiglipConfig, normalization: Normalization, frozen: (graph: Graph) => Parameter): TwoTowers {
  return {
    layers: { image: vision.layers, text: text.layers },
    width: vision.width,
    frozen,
    images: (graph, count, parameter) => siglipPooledEmbedding(patchTokensOf(graph, count, parameter, vision, normalization), parameter, vision),
    texts: (graph, count, parameter) => siglipTextEmbedding(tokensInput(graph, count, text.maxTokens), parameter, text, { fused: false }),
  };
}

/** The patch tokens of an input `pixels` uint8[count, H, W, 3]: float32[count, P, D]. */
export function patchTokensOf(graph: Graph, count: number, parameter: Parameter, vision: SiglipVisionConfig, normalization: Normalization): Tensor {
  const bytes = graph.input("pixels", "uint8", [count, vision.imageSize, vision.imageSize, 3]);
  return siglipPatchTokens(normalizedPatches(bytes, vision, normalization), parameter, vision, { fused: false });
}

function tokensInput(graph: Graph, count: number, maxTokens: number): Tensor {
  return graph.input("tokens", "int64", [count, maxTokens]);
}

/**
 * Pixels as they are decoded, normalised and cut into patches in the order of the patch kernel (channel, row, column).
 * @param bytes uint8[C, H, W, 3]
 * @returns float32[C, P, 3·p·p]
 */
function normalizedPatches(bytes: Tensor, { patchSize }: SiglipVisionConfig, { mean, std, rescale }: Normalization): Tensor {
  const { graph } = bytes;
  const perChannel = (name: string, values: PerChannel): Tensor => graph.weight(name, "float32", [3], Float32Array.from(values));
  const scaled = scale(graph.node1("Cast", [bytes], { shape: bytes.shape }, { to: 1 }), rescale);
  const normalized = div(sub(scaled, perChannel("mean", mean)), perChannel("std", std));
  return patchesOf(transpose(normalized, [0, 3, 1, 2]), patchSize);
}
