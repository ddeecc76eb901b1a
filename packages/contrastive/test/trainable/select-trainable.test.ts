import { describe, expect, it } from "vitest";

import { selectTrainable, TrainingError, type TrainableOptions } from "../../src/index.js";

const layers = { image: 3, text: 2 };
const names = [
  "vision_model.embeddings.patch_embedding.weight",
  "vision_model.encoder.layers.0.mlp.fc1.weight",
  "vision_model.encoder.layers.2.self_attn.q_proj.bias",
  "vision_model.post_layernorm.weight",
  "vision_model.head.probe",
  "text_model.embeddings.token_embedding.weight",
  "text_model.encoder.layers.1.layer_norm1.weight",
  "text_model.final_layer_norm.bias",
  "text_model.head.weight",
  "logit_scale",
  "logit_bias",
  "patch_classifier.weight",
];
const [patch, block0, block2, postNorm, probe, token, text1, finalNorm, textHead, scale, bias, other] = names;

describe("selectTrainable", () => {
  it.each<[string, Omit<TrainableOptions, "layers">, (string | undefined)[]]>([
    ["everything", {}, names],
    ["a locked image tower", { image: "none" }, [token, text1, finalNorm, textHead, scale, bias, other]],
    ["a locked text tower", { text: "none" }, [patch, block0, block2, postNorm, probe, scale, bias, other]],
    ["the last block of each tower", { image: { lastBlocks: 1 }, text: { lastBlocks: 1 } }, [block2, postNorm, probe, text1, finalNorm, textHead, scale, bias, other]],
    ["what follows the blocks", { image: { lastBlocks: 0 }, text: "none" }, [postNorm, probe, scale, bias, other]],
    ["the heads and no temperature", { image: "head", text: "head", temperature: false }, [probe, textHead, other]],
  ])("takes %s", (_, options, want) => {
    expect(names.filter(selectTrainable({ ...options, layers }))).toEqual(want);
  });

  it("refuses more blocks than there are", () => {
    expect(() => selectTrainable({ text: { lastBlocks: 3 }, layers })).toThrow(new TrainingError("selectTrainable: the text tower has 2 blocks, got lastBlocks 3"));
  });
});
