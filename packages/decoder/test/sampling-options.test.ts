import { describe, expect, it } from "vitest";
import { resolveSampling } from "../src/sampling-options.js";

describe("values that are refused before llama.cpp sees them", () => {
  it.each<[unknown, string]>([
    [{ temperature: Number.NaN }, "sampling.temperature: expected a number from 0 to 1000000, got NaN"],
    [{ temperature: -1 }, "got -1"],
    [{ temperature: "1" }, "got 1"],
    [{ topK: 0 }, "sampling.topK: expected an integer from 1 up, got 0"],
    [{ topP: 0 }, "sampling.topP"],
    [{ topP: 1.1 }, "sampling.topP"],
    [{ minP: -0.1 }, "sampling.minP"],
    [{ typicalP: 0 }, "sampling.typicalP"],
    [{ topNSigma: -1 }, "sampling.topNSigma"],
    [{ minKeep: 1.5 }, "sampling.minKeep"],
    [{ xtc: { probability: 2 } }, "sampling.xtc.probability: expected a number from 0 to 1, got 2"],
    [{ xtc: {} }, "sampling.xtc.probability"],
    [{ xtc: { probability: 1, threshold: 0.7 } }, "sampling.xtc.threshold"],
    [{ xtc: 1 }, "sampling.xtc: expected an object, got 1"],
    [{ dynamicTemperature: { range: Number.POSITIVE_INFINITY } }, "dynamicTemperature.range"],
    [{ temperature: 0, dynamicTemperature: { range: 1 } }, "sampling.temperature: expected a number above 0 beside dynamicTemperature"],
    [{ repeatPenalty: 0 }, "sampling.repeatPenalty"],
    [{ frequencyPenalty: Number.NaN }, "sampling.frequencyPenalty"],
    [{ presencePenalty: 101 }, "sampling.presencePenalty"],
    [{ repeatLastN: -1 }, "sampling.repeatLastN"],
    [{ dry: { multiplier: 0 } }, "sampling.dry.multiplier"],
    [{ dry: { multiplier: 1, base: 0.5 } }, "sampling.dry.base"],
    [{ dry: { multiplier: 1, allowedLength: 0 } }, "sampling.dry.allowedLength"],
    [{ dry: { multiplier: 1, sequenceBreakers: [""] } }, "sampling.dry.sequenceBreakers"],
    [{ dry: { multiplier: 1, sequenceBreakers: ["é".repeat(21)] } }, "1 to 40 bytes"],
    [{ mirostat: { version: 3 } }, "sampling.mirostat.version: expected 1 or 2, got 3"],
    [{ mirostat: { version: 2, tau: -1 } }, "sampling.mirostat.tau"],
    [{ mirostat: { version: 2 }, topK: 4 }, "sampling.topK: expected nothing beside mirostat"],
    [{ temperature: 0, mirostat: { version: 1 } }, "above 0 beside mirostat"],
    [{ adaptiveP: { target: 0.5, decay: 1 } }, "sampling.adaptiveP.decay"],
    [{ adaptiveP: { target: -1 } }, "sampling.adaptiveP.target"],
    [{ logitBias: { 3: Number.NaN } }, "sampling.logitBias[3]: expected a number from -1000 to 1000, or -Infinity, got NaN"],
    [{ logitBias: { 3: Number.POSITIVE_INFINITY } }, "got Infinity"],
    [{ logitBias: { "-1": 1 } }, "token ids as keys, got -1"],
    [{ logitBias: { hello: 1 } }, "token ids as keys, got hello"],
    [{ logitBias: [1] }, "sampling.logitBias: expected a Map or an object"],
    [{ seed: 4294967295 }, "sampling.seed"],
    [{ tempreature: 1 }, "sampling.tempreature: expected one of the options temperature,"],
    [null, "sampling: expected an object, got null"],
  ])("%j", (sampling, message) => {
    expect(() => resolveSampling(sampling as never)).toThrow(message);
  });
});
