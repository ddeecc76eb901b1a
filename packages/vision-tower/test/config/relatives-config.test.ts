import { describe, expect, it } from "vitest";
import fc from "fast-check";

import { parseClipConfig, parseClipVisionConfig } from "../../src/config/clip-config.js";
import { ConfigError } from "../../src/config/config-error.js";
import { parseCropPreprocessorConfig } from "../../src/config/crop-preprocessor-config.js";
import { parseDinov2Config } from "../../src/config/dinov2-config.js";
import { parseOpenClipConfig } from "../../src/config/open-clip-config.js";
import { patchCount } from "../../src/models/siglip-vision.js";

const file = "config.json";

describe("parseClipConfig", () => {
  it("takes what a file leaves out from clip-vit-base-patch32", () => {
    expect(parseClipConfig({ model_type: "clip" }, file)).toEqual({
      vision: { width: 768, layers: 12, heads: 12, mlpWidth: 3072, layerNormEps: 1e-5, activation: "quick_gelu", imageSize: 224, patchSize: 32, projectionWidth: 512 },
      text: { width: 512, layers: 12, heads: 8, mlpWidth: 2048, layerNormEps: 1e-5, activation: "quick_gelu", vocabularySize: 49408, maxTokens: 77, projectionWidth: 512, endId: 49407 },
    });
  });

  // What each config.json says beside transformers' defaults.
  it.each([
    ["openai/clip-vit-large-patch14-336", { projection_dim: 768, text_config: { eos_token_id: 2, hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12 }, vision_config: { hidden_size: 1024, image_size: 336, intermediate_size: 4096, num_attention_heads: 16, num_hidden_layers: 24, patch_size: 14 } }, [1024, 24, 16, 4096, 576, "quick_gelu"], [768, undefined, 768]],
    ["laion/CLIP-ViT-H-14-laion2B-s32B-b79K", { projection_dim: 1024, text_config: { hidden_act: "gelu", hidden_size: 1024, intermediate_size: 4096, num_attention_heads: 16, num_hidden_layers: 24 }, vision_config: { hidden_act: "gelu", hidden_size: 1280, intermediate_size: 5120, num_attention_heads: 16, num_hidden_layers: 32, patch_size: 14 } }, [1280, 32, 16, 5120, 256, "gelu"], [1024, 49407, 1024]],
  ])("reads %s", (_, fields, [width, layers, heads, mlpWidth, patches, activation], [textWidth, endId, projectionWidth]) => {
    const { vision, text } = parseClipConfig({ model_type: "clip", ...fields }, file);
    expect(vision).toMatchObject({ width, layers, heads, mlpWidth, activation, projectionWidth });
    expect(patchCount(vision)).toBe(patches);
    expect(text).toMatchObject({ width: textWidth, endId, projectionWidth });
  });

  it("follows the older `_dict` fields, in which what is missing is the default", () => {
    const { vision, text } = parseClipConfig(
      { model_type: "clip", text_config: { hidden_size: 64, eos_token_id: 2 }, text_config_dict: { hidden_size: 1024 }, vision_config: { patch_size: 16 }, vision_config_dict: null },
      file,
    );
    expect(text).toMatchObject({ width: 1024, endId: 49407 });
    expect(vision.patchSize).toBe(16);
  });

  it.each([
    [{ vision_config: { hidden_act: "silu" } }, 'config.json: vision_config.hidden_act: expected one of "quick_gelu"|"gelu", got "silu"'],
    [{ text_config: { eos_token_id: [1, 2] } }, "text_config.eos_token_id: expected number, got [1,2]"],
    [{ quantization_config: { bits: 4 } }, "quantization_config: expected none: quantised weights are not known; take the checkpoint they were made from, got"],
    [{ vision_config: { image_size: [224, 224] } }, "vision_config.image_size: expected number, got [224,224]"],
    [{ vision_config: { num_attention_heads: 7 } }, "vision_config: expected hidden_size to be a multiple of num_attention_heads, got 768 and 7"],
    [{ text_config: { num_attention_heads: 7 } }, "text_config: expected hidden_size to be a multiple of num_attention_heads, got 512 and 7"],
    [{ vision_config: { patch_size: 225 } }, "vision_config: expected patch_size to be at most image_size, got 225 and 224"],
  ])("refuses %j", (fields, message) => {
    expect(() => parseClipConfig({ model_type: "clip", ...fields }, file)).toThrow(message);
  });

  it("reads a vision tower alone", () => {
    expect(parseClipVisionConfig({ model_type: "clip_vision_model", patch_size: 14, projection_dim: 768 }, file)).toMatchObject({ patchSize: 14, projectionWidth: 768 });
    expect(() => parseClipVisionConfig({ num_channels: 1 }, file)).toThrow("num_channels: expected 3, got 1");
  });
});

describe("parseDinov2Config", () => {
  const sizes = { small: [384, 12, 6], base: [768, 12, 12], large: [1024, 24, 16] } as const;
  it.each(Object.entries(sizes))("reads facebook/dinov2-%s, with registers and without", (_, [hidden_size, num_hidden_layers, num_attention_heads]) => {
    const fields = { hidden_size, num_hidden_layers, num_attention_heads, image_size: 518, patch_size: 14 };
    const plain = parseDinov2Config({ model_type: "dinov2", ...fields }, file);
    expect(plain).toMatchObject({ width: hidden_size, layers: num_hidden_layers, heads: num_attention_heads, mlpWidth: 4 * hidden_size, layerNormEps: 1e-6, registers: 0, swiglu: false });
    expect(patchCount(plain)).toBe(1369);
    expect(parseDinov2Config({ model_type: "dinov2_with_registers", ...fields }, file)).toEqual({ ...plain, registers: 4 });
  });

  it("gives giant's gated MLP the width of its file", () => {
    const giant = { model_type: "dinov2", hidden_size: 1536, num_hidden_layers: 40, num_attention_heads: 24, image_size: 518, patch_size: 14, use_swiglu_ffn: true };
    expect(parseDinov2Config(giant, file)).toMatchObject({ mlpWidth: 4096, swiglu: true });
  });

  it.each([
    [{ hidden_act: "relu" }, 'hidden_act: expected "gelu", got "relu"'],
    [{ num_register_tokens: 4 }, "num_register_tokens: expected 0, got 4"],
    [{ num_attention_heads: 5 }, "expected hidden_size to be a multiple of num_attention_heads, got 768 and 5"],
    [{ image_size: 7 }, "expected patch_size to be at most image_size, got 14 and 7"],
    [{ quantization_config: {} }, "quantization_config: expected none"],
  ])("refuses %j", (fields, message) => {
    expect(() => parseDinov2Config({ model_type: "dinov2", ...fields }, file)).toThrow(message);
  });
});

const text = { context_length: 77, vocab_size: 49408, width: 512, heads: 8, layers: 12 };
const eva = { image_size: 224, timm_model_name: "eva02_base_patch16_clip_224", timm_model_pretrained: false, timm_pool: "token", timm_proj: null };

describe("parseOpenClipConfig", () => {
  it("reads EVA02-B-16 as timm publishes it", () => {
    const { vision, text: textTower, preprocessing } = parseOpenClipConfig({ model_cfg: { embed_dim: 512, vision_cfg: eva, text_cfg: text, custom_text: true }, preprocess_cfg: { mean: [0.4, 0.5, 0.6], std: [0.1, 0.2, 0.3] } }, file);
    expect(vision).toEqual({
      kind: "eva02",
      config: { width: 768, layers: 12, heads: 12, mlpWidth: 2048, layerNormEps: 1e-6, imageSize: 224, patchSize: 16, rotarySide: 16, projectionWidth: 512 },
    });
    expect(textTower).toMatchObject({ width: 512, mlpWidth: 2048, activation: "gelu", layerNormEps: 1e-5, endId: undefined });
    expect(preprocessing).toMatchObject({ side: 224, resize: { mode: "shortest", edge: 224, filter: "bicubic" }, mean: [0.4, 0.5, 0.6], std: [0.1, 0.2, 0.3] });
  });

  it("reads EVA02-L-14-336", () => {
    const { vision } = parseOpenClipConfig({ model_cfg: { embed_dim: 768, vision_cfg: { ...eva, image_size: 336, timm_model_name: "eva02_large_patch14_clip_336" }, text_cfg: text } }, file);
    expect(vision.config).toMatchObject({ width: 1024, layers: 24, heads: 16, mlpWidth: 2730, patchSize: 14 });
    expect(patchCount(vision.config)).toBe(576);
  });

  it("reads ViT-H-14 and one with quick GELU", () => {
    const vit = { image_size: 224, layers: 32, width: 1280, head_width: 80, patch_size: 14 };
    const { vision } = parseOpenClipConfig({ model_cfg: { embed_dim: 1024, vision_cfg: vit, text_cfg: text } }, file);
    expect(vision).toMatchObject({ kind: "vit", config: { heads: 16, mlpWidth: 5120, activation: "gelu", projectionWidth: 1024 } });
    const quick = parseOpenClipConfig({ model_cfg: { embed_dim: 1024, quick_gelu: true, vision_cfg: vit, text_cfg: text }, preprocess_cfg: { resize_mode: "squash", interpolation: "bilinear" } }, file);
    expect([quick.vision.config.activation, quick.text.activation]).toEqual(["quick_gelu", "quick_gelu"]);
    expect(quick.preprocessing.resize).toEqual({ mode: "squash", edge: 224, filter: "bilinear" });
  });

  const siglipText = { ...text, no_causal_mask: true, pool_type: "last", proj_bias: true };
  it.each<[object, object, object, string]>([
    [{ ...eva, timm_model_name: "eva02_enormous_patch14_clip_224" }, text, {}, 'model_cfg.vision_cfg.timm_model_name: expected one of "eva02_base_patch16_clip_224"|"eva02_large_patch14_clip_224"|"eva02_large_patch14_clip_336", got "eva02_enormous_patch14_clip_224"'],
    [{ ...eva, timm_pool: "map" }, text, {}, 'model_cfg.vision_cfg.timm_pool: expected "token", got "map"'],
    [{ ...eva, image_size: 336 }, text, {}, "vision_cfg.image_size: expected 224, which eva02_base_patch16_clip_224 has, got 336"],
    [eva, siglipText, {}, "model_cfg.text_cfg.no_causal_mask: expected false, got true"],
    [eva, { ...text, hf_model_name: "xlm-roberta-base" }, {}, 'model_cfg.text_cfg.hf_model_name: expected null, got "xlm-roberta-base"'],
    [{ layers: [3, 4, 6, 3], width: 64 }, text, {}, "model_cfg.vision_cfg.layers: expected number, got [3,4,6,3]"],
    [{ attentional_pool: true }, text, {}, "model_cfg.vision_cfg.attentional_pool: expected false, got true"],
    [{ new_option: 1 }, text, {}, 'model_cfg.vision_cfg: Unrecognized key: "new_option"'],
    [{ width: 100 }, text, {}, "vision_cfg: expected width to be a multiple of head_width, got 100 and 64"],
    [{ patch_size: 300 }, text, {}, "vision_cfg: expected patch_size to be at most image_size, got 300 and 224"],
    [{}, { ...text, heads: 7 }, {}, "text_cfg: expected width to be a multiple of heads, got 512 and 7"],
    [{}, text, { resize_mode: "longest" }, 'preprocess_cfg.resize_mode: expected one of "shortest"|"squash", got "longest"'],
  ])("refuses %j with %j and %j", (vision_cfg, text_cfg, preprocess_cfg, message) => {
    const parse = (): unknown => parseOpenClipConfig({ model_cfg: { embed_dim: 512, vision_cfg, text_cfg }, preprocess_cfg }, file);
    expect(parse).toThrow(ConfigError);
    expect(parse).toThrow(message);
  });

  it("follows timm's model_args, and refuses those that it does not know", () => {
    const value = { model_cfg: { embed_dim: 512, vision_cfg: { ...eva, image_size: 32 }, text_cfg: text } };
    const parse = (model_args: object): unknown => parseOpenClipConfig(value, "open_clip_config.json", { value: { architecture: eva.timm_model_name, model_args }, fileName: file }).vision.config;
    expect(parse({ img_size: 32, patch_size: 8 })).toMatchObject({ imageSize: 32, patchSize: 8, width: 768 });
    expect(() => parse({ img_size: 32, use_post_norm: true })).toThrow('config.json: model_args: Unrecognized key: "use_post_norm"');
    expect(() => parse({ img_size: 32, num_heads: 5 })).toThrow("model_args: expected embed_dim to be a multiple of 4 times num_heads, got 768 and 5");
  });
});

describe("parseCropPreprocessorConfig", () => {
  const parse = (value: unknown): unknown => parseCropPreprocessorConfig(value, "preprocessor_config.json");

  it("takes what a file leaves out from CLIP's processor", () => {
    expect(parse({})).toEqual({
      side: 224,
      resize: { mode: "shortest", edge: 224, filter: "bicubic" },
      halfPixel: "down",
      rescale: 1 / 255,
      mean: [0.48145466, 0.4578275, 0.40821073],
      std: [0.26862954, 0.26130258, 0.27577711],
    });
  });

  it("reads the older way to write sizes, and switches", () => {
    expect(parse({ size: 256, crop_size: 224, resample: 2 })).toMatchObject({ side: 224, resize: { mode: "shortest", edge: 256, filter: "bilinear" } });
    expect(parse({ do_resize: false, do_rescale: false, do_normalize: false })).toMatchObject({ resize: null, rescale: 1, mean: [0, 0, 0], std: [1, 1, 1] });
    expect(parse({ size: { height: 96, width: 96 }, do_center_crop: false })).toMatchObject({ side: 96, resize: { mode: "squash", edge: 96 } });
  });

  it.each([
    [{ size: { shortest_edge: 224, longest_edge: 300 } }, 'size: Unrecognized key: "longest_edge", got'],
    [{ size: "large" }, 'size: expected {shortest_edge}, {height, width} or one number, got "large"'],
    [{ size: { height: 224, width: 200 } }, "size: expected a square, got 200x224"],
    [{ crop_size: { height: 224, width: 200 } }, "crop_size: expected a square, got 200x224"],
    [{ do_center_crop: false }, "do_center_crop: expected true, or a size of {height, width}"],
    [{ resample: 0 }, "resample: expected 1 (Lanczos), 2 (bilinear) or 3 (bicubic), got 0"],
    [{ do_pad: true }, "do_pad: expected false (images are cropped, not padded), got true"],
    [[], "expected"],
  ])("refuses %j", (value, message) => {
    expect(() => parse(value)).toThrow(message);
  });
});

describe("every parser of a relative's configuration", () => {
  const parsers = [parseClipConfig, parseClipVisionConfig, parseDinov2Config, parseOpenClipConfig, parseCropPreprocessorConfig];
  it("refuses what is no configuration with a ConfigError of one line that names the file", () => {
    fc.assert(
      fc.property(fc.constantFrom(...parsers), fc.jsonValue(), (parse, value) => {
        try {
          parse(value, "some-file.json");
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect((error as Error).message).toMatch(/^\w+: some-file\.json: [^\n]+$/);
        }
      }),
    );
  });
});
