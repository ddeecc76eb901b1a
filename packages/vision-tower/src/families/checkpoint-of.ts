import { openWeights, type WeightSource } from "@sightline/weights";
import type { Checkpoint } from "../checkpoint.js";

type Parts = Omit<Checkpoint, "path" | "close">;

/**
 * A checkpoint whose parts read one source of weights, which is closed with it, or at once when a part cannot be made.
 * @param directory the model's, for errors
 * @param weights the directory or file that holds them
 * @throws WeightsError when they cannot be opened; whatever `parts` throws
 */
export async function checkpointOf(directory: string, weights: string, parts: (source: WeightSource) => Parts | Promise<Parts>): Promise<Checkpoint> {
  const source = await openWeights(weights);
  try {
    return { path: directory, ...(await parts(source)), close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}
