import type { Session, TensorValue } from "@sightline/graph";
import type { PatchGrid, PreparedImages, VisionPart } from "./checkpoint.js";
import type { ImageQueueStages } from "./image-queue.js";
import { decodeImage, type DecodedImage } from "./pixels/decode-image.js";
import type { ImageSource } from "./pixels/image-source.js";

/** What one run of a vision tower gives. */
export interface TowerOutput {
  /** float32[B, P, D]; empty for a tower without patch tokens. */
  readonly patchTokens: Float32Array;
  /** float32[B, pooledWidth]; empty for one without embeddings. */
  readonly pooled: Float32Array;
  /** One for each image. */
  readonly grids: readonly PatchGrid[];
  /** P */
  readonly patches: number;
}

const none = new Float32Array(0);

/** Decoding, resizing and running images, as the queue of a vision tower does them. */
export function imageStages(vision: VisionPart, open: () => Promise<Session>): ImageQueueStages<ImageSource | DecodedImage, DecodedImage, TowerOutput> {
  // Runs follow one another, so the buffers that one has fed are free for the next.
  let prepared: PreparedImages | undefined;
  const resized = (image: DecodedImage): DecodedImage => vision.resize?.(image) ?? image;
  return {
    load: (source, admit, signal) => (isDecoded(source) ? source : decodeImage(source, { admit, signal }).then(resized)),
    bytes: ({ data }) => data.byteLength,
    async run(images) {
      const session = await open();
      prepared = vision.prepare(images, prepared);
      const { feeds, grids, patches } = prepared;
      const { patchTokens, pooled } = await session.run(feeds);
      return { patchTokens: patches > 0 ? floats(patchTokens) : none, pooled: vision.pooledWidth > 0 ? floats(pooled) : none, grids, patches };
    },
  };
}

function isDecoded(image: ImageSource | DecodedImage): image is DecodedImage {
  return typeof image === "object" && "data" in image && "width" in image;
}

function floats(value: TensorValue | undefined): Float32Array {
  return value?.data as Float32Array;
}
