import type { ParameterSet } from "../parameter-set.js";
import type { Temperature } from "./pair-loss.js";

/** Names of t' and b where they are parameters, and not fixed. */
export function trainedTemperature({ logitScale, logitBias }: Partial<Temperature> = {}): readonly ("logit_scale" | "logit_bias")[] {
  return [...(logitScale === undefined ? (["logit_scale"] as const) : []), ...(logitBias === undefined ? (["logit_bias"] as const) : [])];
}

/** t' and b as they are now: what is fixed, and the parameters. */
export function presentTemperature(parameters: ParameterSet, { logitScale, logitBias }: Partial<Temperature> = {}): Temperature {
  return {
    logitScale: logitScale ?? (parameters.get("logit_scale")[0] as number),
    logitBias: logitBias ?? (parameters.get("logit_bias")[0] as number),
  };
}
