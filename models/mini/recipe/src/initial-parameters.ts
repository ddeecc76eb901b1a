import type { ParameterSet } from "@sightline/contrastive";
import type { Random } from "./scenes/random.js";

/**
 * Starting values by name and shape: zeros for biases, ones for gains, normal with variance 1/fan-in for matrices, less
 * by 1/sqrt(2L) for those that write into the residual stream (Radford et al. 2019, 2.3).
 */
export function initialiseParameters(parameters: ParameterSet, rng: Random, layers: number): void {
  for (const { name, shape } of parameters.slots) {
    const values = parameters.get(name);
    // b fits about one true text in 110, log(p / (1 - p)). With the paper's -10, meant for batches near 22,000, both towers
    // spend their first thousands of steps on pushing all embeddings one way. t = 20 keeps the start from being flat.
    if (name === "logit_scale") values.fill(Math.log(20));
    else if (name === "logit_bias") values.fill(-4.7);
    else if (shape.length === 1) values.fill(/(norm\d?|norm)\.weight$/.test(name) ? 1 : 0);
    else {
      const fanIn = shape.slice(1).reduce((product, dim) => product * dim, 1);
      const residual = /(out_proj|fc2|o_proj|down_proj)\.weight$/.test(name) ? 1 / Math.sqrt(2 * layers) : 1;
      const deviation = /embed|probe/.test(name) && !name.includes("patch") ? 0.02 : residual / Math.sqrt(fanIn);
      for (let i = 0; i < values.length; i++) values[i] = deviation * rng.normal();
    }
  }
}
