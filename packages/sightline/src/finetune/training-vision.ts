import type { Parameter } from "@sightline/contrastive";
import type { Graph, Tensor, TensorValue } from "@sightline/graph";
import { siglipPooledEmbedding, type DecodedImage, type EncoderConfig } from "@sightline/vision-tower";

/** A vision tower as training sees it: what is kept of an image, and how rows of that go into a graph. */
export interface TrainingVision {
  readonly encoder: EncoderConfig;
  /** P, patches of an image, padding included. */
  readonly patches: number;
  /** Whether some of the patches may be padding. */
  readonly padded: boolean;
  /** Bytes of one image as it is kept. */
  readonly rowBytes: number;
  /**
   * An image as large as the tower sees it.
   * @throws RangeError when it has the wrong size and must not be resized
   */
  resize(image: DecodedImage): DecodedImage;
  /** A resized image as it is kept: uint8[rowBytes]. */
  row(image: DecodedImage): Uint8Array;
  /** Kept images as the inputs that `patchTokens` declares. */
  feeds(rows: Uint8Array, count: number): Record<string, TensorValue>;
  /** Declares the inputs of `count` images and gives their patch tokens. */
  patchTokens(graph: Graph, count: number, parameter: Parameter): PatchTokens;
}

/** Patch tokens of a chunk of C images. */
export interface PatchTokens {
  /** float32[C, P, D], after the last norm */
  readonly tokens: Tensor;
  /** float32[C, 1, 1, P], where some of the tokens are padding. */
  readonly keyBias?: Tensor;
}

/** Embeddings of images, float32[C, D], before normalisation. */
export function pooledImages({ tokens, keyBias }: PatchTokens, parameter: Parameter, { encoder }: TrainingVision): Tensor {
  return siglipPooledEmbedding(tokens, parameter, encoder, keyBias);
}
