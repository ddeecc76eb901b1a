import { describe, expect, it } from "vitest";
import fc from "fast-check";

import { ConfigError } from "../../src/config/config-error.js";
import { loadSiglipConfig } from "../../src/config/load-siglip-config.js";
import { parseNaflexPreprocessorConfig, parsePreprocessorConfig } from "../../src/config/preprocessor-config.js";
import { parseSiglip2Config, parseSiglipConfig } from "../../src/config/siglip-config.js";
import { patchCount } from "../../src/models/siglip-vision.js";
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

  // Each as its config.json says it: what equals the defaults of transformers is left out.
  const large = { hidden_size: 1024, intermediate_size: 4096, num_attention_heads: 16, num_hidden_layers: 24 };
  const so400m = { hidden_size: 1152, intermediate_size: 4304, num_attention_heads: 16, num_hidden_layers: 27 };
  const giant = { hidden_size: 1536, intermediate_size: 6144, num_attention_heads: 16, num_hidden_layers: 40 };
  const v2 = { vocab_size: 256000 };
  it.each<[string, object, object, [width: number, layers: number, heads: number, mlp: number, patches: number], [width: number, vocabulary: number, tokens: number, projection: number]]>([
    ["siglip-base-patch16-224", {}, {}, [768, 12, 12, 3072, 196], [768, 32000, 64, 768]],
    ["siglip-base-patch16-256-i18n", { image_size: 256 }, { vocab_size: 250000 }, [768, 12, 12, 3072, 256], [768, 250000, 64, 768]],
    ["siglip-base-patch16-512", { image_size: 512 }, {}, [768, 12, 12, 3072, 1024], [768, 32000, 64, 768]],
    ["siglip-large-patch16-384", { ...large, image_size: 384 }, large, [1024, 24, 16, 4096, 576], [1024, 32000, 64, 1024]],
    ["siglip-so400m-patch14-224", { ...so400m, patch_size: 14 }, { ...so400m, max_position_embeddings: 16 }, [1152, 27, 16, 4304, 256], [1152, 32000, 16, 1152]],
    ["siglip-so400m-patch14-384", { ...so400m, image_size: 384, patch_size: 14 }, so400m, [1152, 27, 16, 4304, 729], [1152, 32000, 64, 1152]],
    ["siglip-so400m-patch16-256-i18n", { ...so400m, image_size: 256 }, { ...so400m, vocab_size: 250000 }, [1152, 27, 16, 4304, 256], [1152, 250000, 64, 1152]],
    ["siglip2-base-patch32-256", { image_size: 256, patch_size: 32 }, v2, [768, 12, 12, 3072, 64], [768, 256000, 64, 768]],
    ["siglip2-base-patch16-384", { image_size: 384 }, v2, [768, 12, 12, 3072, 576], [768, 256000, 64, 768]],
    ["siglip2-large-patch16-512", { ...large, image_size: 512 }, { ...large, ...v2 }, [1024, 24, 16, 4096, 1024], [1024, 256000, 64, 1024]],
    ["siglip2-so400m-patch14-384", { ...so400m, image_size: 384, patch_size: 14 }, { ...so400m, ...v2 }, [1152, 27, 16, 4304, 729], [1152, 256000, 64, 1152]],
    ["siglip2-so400m-patch16-512", { ...so400m, image_size: 512 }, { ...so400m, ...v2 }, [1152, 27, 16, 4304, 1024], [1152, 256000, 64, 1152]],
    ["siglip2-giant-opt-patch16-384", { ...giant, image_size: 384 }, { ...so400m, ...v2, projection_size: 1536 }, [1536, 40, 16, 6144, 576], [1152, 256000, 64, 1536]],
  ])("reads %s", (_, visionFields, textFields, [width, layers, heads, mlpWidth, patches], [textWidth, vocabularySize, maxTokens, projectionWidth]) => {
    const value = {
      architectures: ["SiglipModel"],
      initializer_factor: 1,
      model_type: "siglip",
      text_config: { model_type: "siglip_text_model", ...textFields },
      torch_dtype: "float32",
      transformers_version: "4.37.0.dev0",
      vision_config: { model_type: "siglip_vision_model", ...visionFields },
    };
    const { vision, text, poolingHead } = parseSiglipConfig(value, "config.json");
    expect(vision).toMatchObject({ width, layers, heads, mlpWidth, layerNormEps: 1e-6 });
    expect([patchCount(vision), poolingHead]).toEqual([patches, true]);
    expect(text).toMatchObject({ width: textWidth, vocabularySize, maxTokens, projectionWidth });
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

describe("parseSiglip2Config", () => {
  const so400m = { hidden_size: 1152, intermediate_size: 4304, num_attention_heads: 16, num_hidden_layers: 27 };

  it.each<[string, object, object, object]>([
    ["siglip2-base-patch16-naflex", {}, base, { ...base, projectionWidth: 768 }],
    ["siglip2-so400m-patch16-naflex", so400m, { width: 1152, layers: 27, heads: 16, mlpWidth: 4304 }, { width: 1152, projectionWidth: 1152 }],
  ])("reads %s", (_, fields, vision, text) => {
    const value = {
      architectures: ["Siglip2Model"],
      model_type: "siglip2",
      text_config: { model_type: "siglip2_text_model", vocab_size: 256000, ...fields },
      vision_config: { model_type: "siglip2_vision_model", num_patches: 256, ...fields },
    };
    const config = parseSiglip2Config(value, "config.json");
    expect(config.vision).toMatchObject({ ...vision, patchSize: 16, positionSide: 16 });
    expect(config.text).toMatchObject({ ...text, vocabularySize: 256000, maxTokens: 64 });
  });

  it.each([
    [{ model_type: "siglip" }, 'model_type: expected "siglip2" (NaFlex), got "siglip"'],
    [{ model_type: "siglip2", vision_config: { num_patches: 200 } }, "vision_config.num_patches: expected a square number, because positions lie in a square grid, got 200"],
    [{ model_type: "siglip2", vision_config: { hidden_act: "gelu" } }, 'vision_config.hidden_act: expected "gelu_pytorch_tanh", got "gelu"'],
    [{ model_type: "siglip2", text_config: { num_attention_heads: 5 } }, "text_config: expected hidden_size to be a multiple of num_attention_heads, got 768 and 5"],
    [{ model_type: "siglip2", text_config: { projection_size: 512 } }, "expected text_config.projection_size to be vision_config.hidden_size, so that both embeddings have one width, got 512 and 768"],
  ])("refuses %j by the field's name", (value, message) => {
    expect(() => parseSiglip2Config(value, "models/x/config.json")).toThrow(`parseSiglip2Config: models/x/config.json: ${message}`);
  });
});

describe("parseNaflexPreprocessorConfig", () => {
  it("takes what a file leaves out from Siglip2ImageProcessor", () => {
    expect(parseNaflexPreprocessorConfig({}, "p.json")).toEqual({ patchSize: 16, maxPatches: 256, filter: "bilinear", rescale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
  });

  it("reads the published file, whose nulls say nothing", () => {
    const value = {
      do_convert_rgb: null, do_normalize: true, do_rescale: true, do_resize: true, image_mean: [0.5, 0.5, 0.5], image_processor_type: "Siglip2ImageProcessor",
      image_std: [0.5, 0.5, 0.5], max_num_patches: 576, patch_size: 14, processor_class: "Siglip2Processor", resample: 3, rescale_factor: 0.00392156862745098, size: null,
    };
    expect(parseNaflexPreprocessorConfig(value, "p.json")).toMatchObject({ patchSize: 14, maxPatches: 576, filter: "bicubic" });
    expect(parseNaflexPreprocessorConfig({ do_resize: false }, "p.json").filter).toBeNull();
  });

  it.each([
    [{ max_num_patches: 0 }, "max_num_patches: expected number to be >=1, got 0"],
    [{ patch_size: [16, 16] }, "patch_size: expected number, got [16,16]"],
    [{ size: { height: 224, width: 224 } }, 'size: expected none: this processor makes images of one size, which goes with model_type "siglip", got {"height":224,"width":224}'],
    [{ resample: 0 }, "resample: expected 1 (Lanczos), 2 (bilinear) or 3 (bicubic), got 0"],
  ])("refuses %j by the field's name", (value, message) => {
    expect(() => parseNaflexPreprocessorConfig(value, "p.json")).toThrow(`parseNaflexPreprocessorConfig: p.json: ${message}`);
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
