import type { ParameterSet } from "@sightline/contrastive";
import { patchCount, type SiglipVisionConfig } from "@sightline/vision-tower";
import type { Random } from "./scenes/random.js";

/**
 * Starting values by name and shape: zeros for biases, ones for gains, normal with variance 1/fan-in for matrices, less
 * by 1/sqrt(2L) for those that write into the residual stream (Radford et al. 2019, 2.3). The image tower starts out
 * attending to near and alike patches (after Trockman & Kolter 2023), which saves it from learning first that pictures
 * have two dimensions.
 */
export function initialiseParameters(parameters: ParameterSet, rng: Random, vision: SiglipVisionConfig): void {
  for (const { name, shape } of parameters.slots) {
    const values = parameters.get(name);
    // b fits about one true text in 110, log(p / (1 - p)). With the paper's -10, meant for batches near 22,000, both towers
    // spend their first thousands of steps on pushing all embeddings one way. t = 20 keeps the start from being flat.
    if (name === "logit_scale") values.fill(Math.log(20));
    else if (name === "logit_bias") values.fill(-4.7);
    else if (name === "vision_model.embeddings.position_embedding.weight") fillWithWaves(values, vision);
    else if (shape.length === 1) values.fill(/(norm\d?|norm)\.weight$/.test(name) ? 1 : 0);
    else {
      const fanIn = shape.slice(1).reduce((product, dim) => product * dim, 1);
      const residual = /(out_proj|fc2|o_proj|down_proj)\.weight$/.test(name) ? 1 / Math.sqrt(2 * vision.layers) : 1;
      const deviation = /embed|probe/.test(name) && !name.includes("patch") ? 0.02 : residual / Math.sqrt(fanIn);
      for (let i = 0; i < values.length; i++) values[i] = deviation * rng.normal();
    }
  }
  for (const { name } of parameters.slots) {
    if (!/^vision_model\.encoder.*q_proj\.weight$/.test(name)) continue;
    const [queries, keys] = [parameters.get(name), parameters.get(name.replace("q_proj", "k_proj"))];
    shareHalf(queries, keys, rng, 1 / Math.sqrt(vision.width));
  }
}

/** Sines and cosines of row and column, from half a turn in two patches down to a tenth of that. */
function fillWithWaves(table: Float32Array, vision: SiglipVisionConfig): void {
  const columns = vision.imageSize / vision.patchSize;
  const waves = vision.width / 4;
  const amplitude = 0.5;
  for (let position = 0; position < patchCount(vision); position++) {
    const row = Math.floor(position / columns);
    const column = position % columns;
    for (let i = 0; i < waves; i++) {
      const frequency = (Math.PI / 2) * 10 ** (-i / waves);
      const phases = [column * frequency, row * frequency] as const;
      phases.forEach((phase, axis) => {
        const at = position * vision.width + axis * 2 * waves + i;
        table[at] = amplitude * Math.sin(phase);
        table[at + waves] = amplitude * Math.cos(phase);
      });
    }
  }
}

/** Gives queries and keys half of their values in common, so that q·k is largest for tokens that are alike. */
function shareHalf(queries: Float32Array, keys: Float32Array, rng: Random, deviation: number): void {
  for (let i = 0; i < queries.length; i++) {
    const shared = deviation * rng.normal();
    queries[i] = (shared + (queries[i] as number)) / 2;
    keys[i] = (shared + (keys[i] as number)) / 2;
  }
}
