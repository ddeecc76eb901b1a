import type { Parameter } from "@sightline/contrastive";
import { div, scale, sub, transpose, type Tensor } from "@sightline/graph";
import { patchCount, patchesOf, resample, siglipPatchTokens, type Normalization, type PerChannel, type Preprocessing, type SiglipVisionConfig } from "@sightline/vision-tower";
import type { TrainingVision } from "./training-vision.js";

/**
 * A tower of one fixed resolution. An image is kept as its pixels, uint8[H, W, 3], squashed to the tower's size with the
 * checkpoint's filter, and is normalised in the graph: its input is `pixels` uint8[C, H, W, 3].
 */
export function fixedVision(config: SiglipVisionConfig, preprocessing: Preprocessing): TrainingVision {
  const { width, height, filter } = preprocessing;
  return {
    encoder: config,
    patches: patchCount(config),
    padded: false,
    rowBytes: width * height * 3,
    resize: (image) => {
      if (filter !== null) return resample(image, width, height, filter);
      if (image.width === width && image.height === height) return image;
      throw new RangeError(`expected an image of ${width}x${height}, because the checkpoint has do_resize false, got ${image.width}x${image.height}`);
    },
    row: ({ data }) => data,
    feeds: (rows, count) => ({ pixels: { dtype: "uint8", shape: [count, height, width, 3], data: rows } }),
    patchTokens: (graph, count, parameter: Parameter) => {
      const bytes = graph.input("pixels", "uint8", [count, config.imageSize, config.imageSize, 3]);
      const patches = patchesOf(transpose(normalized(bytes, preprocessing), [0, 3, 1, 2]), config.patchSize);
      return { tokens: siglipPatchTokens(patches, parameter, config, { fused: false }) };
    },
  };
}

/**
 * Bytes of pixels as the tower wants their values.
 * @param bytes uint8[..., 3]
 * @returns float32[..., 3]
 */
export function normalized(bytes: Tensor, { mean, std, rescale }: Normalization): Tensor {
  const { graph } = bytes;
  const perChannel = (name: string, values: PerChannel): Tensor => graph.weight(name, "float32", [3], Float32Array.from(values));
  const scaled = scale(graph.node1("Cast", [bytes], { shape: bytes.shape }, { to: 1 }), rescale);
  return div(sub(scaled, perChannel("mean", mean)), perChannel("std", std));
}
