import type { ImageQueueLimits } from "./image-queue.js";

/** How images of all callers of `encodeImages` and `tag` share runs of the tower. */
export interface BatchOptions {
  /**
   * Most images of one run; 8 when left out: enough rows for a matrix product to run at full speed, few enough that
   * activations stay small beside the weights.
   */
  readonly maxImages?: number;
  /**
   * Longest time, in ms, that an image waits while the tower is idle, so that others can join its run; 0 when left out:
   * an idle tower starts at once, and what comes while it is busy shares the next run anyway.
   */
  readonly maxWaitMs?: number;
}

/** Decoded pixels of images on their way to the tower: one of the largest that are read, or seven of 12 megapixels. */
const maxBytes = 256 * 2 ** 20;
/** As many as libuv has threads, unless told otherwise, for reading and decoding. */
const maxLoading = 4;

/**
 * The limits that a tower's queue keeps.
 * @throws RangeError for `maxImages` that is no positive integer or `maxWaitMs` that is no time
 */
export function batchLimits({ maxImages = 8, maxWaitMs = 0 }: BatchOptions = {}): ImageQueueLimits {
  if (!Number.isSafeInteger(maxImages) || maxImages < 1) throw new RangeError(`batchLimits: expected batch.maxImages to be an integer of at least 1, got ${maxImages}`);
  if (!(maxWaitMs >= 0 && maxWaitMs < 2 ** 31)) throw new RangeError(`batchLimits: expected batch.maxWaitMs to be a time in ms, 0 or more, got ${maxWaitMs}`);
  return { maxImages, maxWaitMs, maxLoading, maxBytes };
}
