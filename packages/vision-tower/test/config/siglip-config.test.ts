import { describe, expect, it } from "vitest";
import fc from "fast-check";

import { ConfigError } from "../../src/config/config-error.js";
import { loadSiglipConfig } from "../../src/config/load-siglip-config.js";
import { parsePreprocessorConfig } from "../../src/config/preprocessor-config.js";
import { parseSiglipConfig } from "../../src/config/siglip-config.js";
import { goldenPath } from "../goldens.js";

const base = { width: 768, layers: 12, heads: 12, mlpWidth: 3072, layerNormEps: 1e-6 };

describe("parseSiglipConfig", () => {
  it("takes what a file leaves out from base-patch16-224", () => {
    expect(parseSiglipConfig({ model_type: "siglip" }, "config.json")).toEqual({
      vision: { ...base, imageSize: 224, patchSize: 16 },
      text: { ...base, vocabularySize: 32000, maxTokens: 64, projectionWidth: 768 },
      poolingHead: true,
    });
  });

  it("reads the fields that so400m-patch14-384 sets", () => {
    const so400m = { hidden_size: 1152, intermediate_size: 4304, num_attention_heads: 16, num_hidden_layers: 27 };
    const value = {
      architectures: ["SiglipModel"],
      model_type: "siglip",
      text_config: { ...so400m, model_type: "siglip_text_model" },
      vision_config: { ...so400m, image_size: 384, patch_size: 14, model_type: "siglip_vision_model" },
    };
    const { vision, text } = parseSiglipConfig(value, "config.json");
    expect(vision).toEqual({ width: 1152, layers: 27, heads: 16, mlpWidth: 4304, layerNormEps: 1e-6, imageSize: 384, patchSize: 14 });
    expect(text).toMatchObject({ width: 1152, heads: 16, maxTokens: 64, projectionWidth: 1152 });
  });

  it("lets the text tower be narrower, as in giant-opt, where its head reaches the vision tower's width", () => {
    const value = { model_type: "siglip", vision_config: { hidden_size: 1536, num_attention_heads: 16 }, text_config: { hidden_size: 1152, num_attention_heads: 16, projection_size: 1536 } };
    expect(parseSiglipConfig(value, "config.json").text).toMatchObject({ width: 1152, projectionWidth: 1536 });
  });

  it.each([
    [{}, /model_type: expected "siglip" .*, got nothing$/],
    [{ model_type: "siglip2" }, /model_type: expected "siglip" .*, got "siglip2"$/],
    [{ model_type: "siglip", vision_config: { hidden_act: "gelu" } }, 'vision_config.hidden_act: expected "gelu_pytorch_tanh", got "gelu"'],
    [{ model_type: "siglip", text_config: { hidden_act: "quick_gelu" } }, 'text_config.hidden_act: expected "gelu_pytorch_tanh", got "quick_gelu"'],
    [{ model_type: "siglip", vision_config: { num_channels: 4 } }, "vision_config.num_channels: expected 3, got 4"],
    [{ model_type: "siglip", vision_config: { hidden_size: "768" } }, 'vision_config.hidden_size: expected number, got "768"'],
    [{ model_type: "siglip", vision_config: { patch_size: 0 } }, "vision_config.patch_size: expected number to be >=1, got 0"],
    [{ model_type: "siglip", vision_config: { num_hidden_layers: 1e9 } }, "vision_config.num_hidden_layers: expected number to be <=1024, got 1000000000"],
    [{ model_type: "siglip", vision_config: { hidden_size: 770 } }, "vision_config: expected hidden_size to be a multiple of num_attention_heads, got 770 and 12"],
    [{ model_type: "siglip", vision_config: { patch_size: 225 } }, "expected patch_size to be at most image_size, got 225 and 224"],
    [{ model_type: "siglip", text_config: { hidden_size: 48 } }, /projection_size to be vision_config\.hidden_size.* got 48 and 768$/],
    [null, "the file: expected object, got null"],
  ])("refuses %j by the field's name", (value, message) => {
    expect(() => parseSiglipConfig(value, "models/x/config.json")).toThrow(message);
    expect(() => parseSiglipConfig(value, "models/x/config.json")).toThrow(/^parseSiglipConfig: models\/x\/config\.json: [^\n]+$/);
  });

  it("answers any JSON with a configuration or a ConfigError", () => {
    const field = fc.constantFrom("model_type", "vision_config", "text_config", "hidden_size", "image_size", "hidden_act", "projection_size");
    const value = fc.dictionary(field, fc.oneof(fc.jsonValue(), fc.dictionary(field, fc.jsonValue())));
    fc.assert(
      fc.property(value, fc.boolean(), (fields, named) => {
        try {
          expect(parseSiglipConfig(named ? { ...fields, model_type: "siglip" } : fields, "f").vision.width).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
    );
  });
});

describe("parsePreprocessorConfig", () => {
  const half = { rescale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

  it("takes what a file leaves out from SiglipImageProcessor", () => {
    expect(parsePreprocessorConfig({}, "p.json")).toEqual({ width: 224, height: 224, filter: "bicubic", ...half });
  });

  it("reads size, filter, mean and std", () => {
    const value = { size: { height: 384, width: 256 }, resample: 2, image_mean: [0.1, 0.2, 0.3], image_std: [1, 2, 3], rescale_factor: 1 };
    expect(parsePreprocessorConfig(value, "p.json")).toEqual({ width: 256, height: 384, filter: "bilinear", rescale: 1, mean: [0.1, 0.2, 0.3], std: [1, 2, 3] });
    expect(parsePreprocessorConfig({ size: 512, resample: 1 }, "p.json")).toMatchObject({ width: 512, height: 512, filter: "lanczos" });
  });

  it("leaves out each step whose do_ is false", () => {
    expect(parsePreprocessorConfig({ do_resize: false, do_rescale: false, do_normalize: false }, "p.json")).toEqual({
      width: 224, height: 224, filter: null, rescale: 1, mean: [0, 0, 0], std: [1, 1, 1],
    });
  });

  it.each([
    [{ resample: 0 }, "resample: expected 1 (Lanczos), 2 (bilinear) or 3 (bicubic), got 0"],
    [{ size: { shortest_edge: 224 } }, 'size: expected {height, width} or one number (SigLIP squashes images and never crops), got {"shortest_edge":224}'],
    [{ do_center_crop: true }, "do_center_crop: expected false (SigLIP never crops), got true"],
    [{ image_std: [0, 1, 1] }, "image_std.0: expected number to be >0, got 0"],
    [{ image_mean: [0.5] }, "image_mean: expected array to have >=3 items, got [0.5]"],
    [{ max_num_patches: 256 }, /max_num_patches: .* NaFlex .* got 256$/],
  ])("refuses %j by the field's name", (value, message) => {
    expect(() => parsePreprocessorConfig(value, "p.json")).toThrow(message);
  });
});

describe("loadSiglipConfig", () => {
  it("reads a directory that transformers wrote, defaults left out or written out", async () => {
    expect(await loadSiglipConfig(goldenPath("siglip-sharded"))).toEqual({
      config: {
        vision: { width: 96, layers: 2, heads: 3, mlpWidth: 112, layerNormEps: 1e-6, imageSize: 64, patchSize: 16 },
        text: { width: 96, layers: 1, heads: 3, mlpWidth: 96, layerNormEps: 1e-6, vocabularySize: 200, maxTokens: 16, projectionWidth: 96 },
        poolingHead: true,
      },
      preprocessing: { width: 64, height: 64, filter: "bilinear", rescale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    });
    expect((await loadSiglipConfig(goldenPath("siglip-bfloat16"))).config.text).toMatchObject({ width: 48, projectionWidth: 144 });
  });

  it("names the file that a directory lacks", async () => {
    await expect(loadSiglipConfig(goldenPath("tokenizers/gemma"))).rejects.toThrow(/config\.json: no such file; download the whole model directory$/);
  });
});
