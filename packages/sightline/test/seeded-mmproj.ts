import { writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { seeded } from "../../projector/test/seeded.js";

/** E of the embedded decoder, which these projectors are made for. */
const decoderWidth = 192;
const [width, mlpWidth, side, patchSize] = [16, 24, 32, 8] as const;

const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const floats = (...value: number[]): GgufValue => ({ type: "array", of: "float32", value });
const ints = (...value: number[]): GgufValue => ({ type: "array", of: "int32", value });

function tensor(name: string, ...shape: number[]): TensorToWrite {
  return { name, dtype: "F32", shape, data: seeded(name, shape, name.includes("norm") || name.includes("ln") ? 0.2 : 0.5, name.endsWith("weight") && shape.length === 1 ? 1 : 0) };
}

const layer = (name: string, outWidth: number, inWidth: number): TensorToWrite[] => [tensor(`${name}.weight`, outWidth, inWidth), tensor(`${name}.bias`, outWidth)];
const norm = (name: string): TensorToWrite[] => [tensor(`${name}.weight`, width), tensor(`${name}.bias`, width)];

interface Projector {
  readonly tensors: readonly TensorToWrite[];
  readonly metadata?: Readonly<Record<string, GgufValue>>;
}

const projectors: Readonly<Record<string, Projector>> = {
  gemma3: { tensors: [tensor("mm.soft_emb_norm.weight", width), tensor("mm.input_projection.weight", width, decoderWidth)], metadata: { "clip.vision.projector.scale_factor": u32(2) } },
  idefics3: { tensors: [tensor("mm.model.fc.weight", decoderWidth, 4 * width)], metadata: { "clip.vision.projector.scale_factor": u32(2), "clip.vision.preproc_image_size": u32(4 * side) } },
  linear: { tensors: layer("mm.0", decoderWidth, width) },
  mlp: { tensors: [...layer("mm.0", 24, width), ...layer("mm.2", decoderWidth, 24)] },
  onevision: {
    tensors: [...layer("mm.0", 24, width), ...layer("mm.2", decoderWidth, 24), tensor("v.image_newline", decoderWidth)],
    metadata: { "clip.vision.image_grid_pinpoints": ints(side, 2 * side, 2 * side, side, 2 * side, 2 * side) },
  },
  lfm2: { tensors: [...layer("mm.1", 24, 4 * width), ...layer("mm.2", decoderWidth, 24)], metadata: { "clip.vision.projector.scale_factor": u32(2) } },
};

/**
 * Writes an mmproj GGUF of a family with seeded weights: a tower of 32 x 32 pixels in 4 x 4 patches, and rows as wide as
 * the embedded decoder's.
 */
export async function writeSeededMmproj(file: string, family: keyof typeof projectors & string): Promise<void> {
  const { tensors, metadata = {} } = projectors[family] as Projector;
  const all: Record<string, GgufValue> = {
    "general.architecture": { type: "string", value: "clip" },
    "clip.has_vision_encoder": { type: "bool", value: true },
    "clip.projector_type": { type: "string", value: family === "onevision" ? "mlp" : family },
    "clip.use_gelu": { type: "bool", value: true },
    "clip.vision.image_size": u32(side),
    "clip.vision.patch_size": u32(patchSize),
    "clip.vision.embedding_length": u32(width),
    "clip.vision.feed_forward_length": u32(mlpWidth),
    "clip.vision.block_count": u32(1),
    "clip.vision.feature_layer": ints(1),
    "clip.vision.attention.head_count": u32(2),
    "clip.vision.attention.layer_norm_epsilon": { type: "float32", value: 1e-6 },
    "clip.vision.image_mean": floats(0.5, 0.5, 0.5),
    "clip.vision.image_std": floats(0.5, 0.5, 0.5),
    ...metadata,
  };
  const tower = [
    tensor("v.patch_embd.weight", width, 3, patchSize, patchSize),
    tensor("v.patch_embd.bias", width),
    tensor("v.position_embd.weight", (side / patchSize) ** 2, width),
    ...norm("v.blk.0.ln1"),
    ...norm("v.blk.0.ln2"),
    ...["attn_q", "attn_k", "attn_v", "attn_out"].flatMap((name) => layer(`v.blk.0.${name}`, width, width)),
    ...layer("v.blk.0.ffn_up", mlpWidth, width),
    ...layer("v.blk.0.ffn_down", width, mlpWidth),
    ...norm("v.post_ln"),
  ];
  await writeGguf(file, { metadata: Object.entries(all), tensors: [...tower, ...tensors] });
}
