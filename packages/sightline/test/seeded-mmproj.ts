import { writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { seeded } from "../../projector/test/seeded.js";

export type MmprojFamily = "gemma3" | "idefics3" | "lfm2" | "linear" | "mlp" | "onevision" | "qwen3vl_merger" | "resampler";

export interface SeededMmproj {
  /** W, what the projector gives: the embedded decoder's E when left out. MiniCPM-V's is a multiple of 128. */
  readonly decoderWidth?: number;
  /** Side of the tower's square, pixels. 32 when left out. */
  readonly side?: number;
  /** 8 when left out. */
  readonly patchSize?: number;
  /** Blocks of the tower. 1 when left out. */
  readonly blocks?: number;
}

const [width, mlpWidth, queries, slicePositions] = [16, 24, 6, 70] as const;

const u32 = (value: number): GgufValue => ({ type: "uint32", value });
const floats = (...value: number[]): GgufValue => ({ type: "array", of: "float32", value });
const ints = (...value: number[]): GgufValue => ({ type: "array", of: "int32", value });

/** Products keep the spread of what they read, but for queries and keys, which are to look at some tokens more than at others. */
function spreadOf(name: string, shape: readonly number[]): number {
  if (/norm|ln/.test(name)) return 0.2;
  if (name.includes("position")) return 0.8;
  if (shape.length === 1) return 0.3;
  const inputs = shape.slice(1).reduce((product, length) => product * length, 1);
  return (/attn_(q|k|qkv)\.|attn\.[qk]\./.test(name) ? 3 : 1.7) * inputs ** -0.5;
}

function tensor(name: string, ...shape: number[]): TensorToWrite {
  return { name, dtype: "F32", shape, data: seeded(name, shape, spreadOf(name, shape), /(norm|ln).*\.weight$/.test(name) ? 1 : 0) };
}

const layer = (name: string, outWidth: number, inWidth: number): TensorToWrite[] => [tensor(`${name}.weight`, outWidth, inWidth), tensor(`${name}.bias`, outWidth)];
const norm = (name: string, length: number = width): TensorToWrite[] => [tensor(`${name}.weight`, length), tensor(`${name}.bias`, length)];

interface Projector {
  readonly tensors: readonly TensorToWrite[];
  readonly metadata?: Readonly<Record<string, GgufValue>>;
}

const merging = { "clip.vision.projector.scale_factor": u32(2) };

const projectors: Readonly<Record<MmprojFamily, (decoderWidth: number, side: number) => Projector>> = {
  gemma3: (decoderWidth) => ({ tensors: [tensor("mm.soft_emb_norm.weight", width), tensor("mm.input_projection.weight", width, decoderWidth)], metadata: merging }),
  idefics3: (decoderWidth, side) => ({ tensors: [tensor("mm.model.fc.weight", decoderWidth, 4 * width)], metadata: { ...merging, "clip.vision.preproc_image_size": u32(4 * side) } }),
  linear: (decoderWidth) => ({ tensors: layer("mm.0", decoderWidth, width) }),
  mlp: (decoderWidth) => ({ tensors: [...layer("mm.0", 24, width), ...layer("mm.2", decoderWidth, 24)] }),
  onevision: (decoderWidth, side) => ({
    tensors: [...layer("mm.0", 24, width), ...layer("mm.2", decoderWidth, 24), tensor("v.image_newline", decoderWidth)],
    metadata: { "clip.vision.image_grid_pinpoints": ints(side, 2 * side, 2 * side, side, 2 * side, 2 * side) },
  }),
  lfm2: (decoderWidth) => ({ tensors: [...layer("mm.1", 24, 4 * width), ...layer("mm.2", decoderWidth, 24)], metadata: merging }),
  qwen3vl_merger: (decoderWidth) => ({
    tensors: [
      ...layer("mm.0", 4 * width, 4 * width),
      ...layer("mm.2", decoderWidth, 4 * width),
      ...[0, 1].flatMap((at) => [...norm(`v.deepstack.${at}.norm`, 4 * width), ...layer(`v.deepstack.${at}.fc1`, 4 * width, 4 * width), ...layer(`v.deepstack.${at}.fc2`, decoderWidth, 4 * width)]),
    ],
    metadata: { "clip.vision.spatial_merge_size": u32(2) },
  }),
  resampler: (decoderWidth) => ({
    tensors: [
      tensor("resampler.query", queries, decoderWidth),
      tensor("resampler.proj.weight", decoderWidth, decoderWidth),
      tensor("resampler.kv.weight", decoderWidth, width),
      tensor("resampler.pos_embed_k", 4, decoderWidth),
      ...["q", "k", "v", "out"].flatMap((part) => layer(`resampler.attn.${part}`, decoderWidth, decoderWidth)),
      ...["q", "kv", "post"].flatMap((part) => norm(`resampler.ln_${part}`, decoderWidth)),
    ],
    metadata: { "clip.minicpmv_version": { type: "int32", value: 3 }, "clip.minicpmv_query_num": u32(queries) },
  }),
};

/** Writes an mmproj GGUF of a family with seeded weights: a SigLIP tower, or Qwen3-VL's, and the family's projector. */
export async function writeSeededMmproj(file: string, family: MmprojFamily, { decoderWidth = 192, side = 32, patchSize = 8, blocks = 1 }: SeededMmproj = {}): Promise<void> {
  const { tensors, metadata = {} } = projectors[family](decoderWidth, side);
  const qwen = family === "qwen3vl_merger";
  const all: Record<string, GgufValue> = {
    "general.architecture": { type: "string", value: "clip" },
    "clip.has_vision_encoder": { type: "bool", value: true },
    "clip.projector_type": { type: "string", value: family === "onevision" ? "mlp" : family },
    "clip.use_gelu": { type: "bool", value: true },
    "clip.vision.image_size": u32(side),
    "clip.vision.patch_size": u32(patchSize),
    "clip.vision.embedding_length": u32(width),
    "clip.vision.feed_forward_length": u32(mlpWidth),
    "clip.vision.block_count": u32(blocks),
    "clip.vision.projection_dim": u32(decoderWidth),
    // The mlp projectors read the last block but one unless told otherwise, and a tower of one block has none.
    ...(blocks === 1 ? { "clip.vision.feature_layer": ints(1) } : {}),
    "clip.vision.attention.head_count": u32(2),
    "clip.vision.attention.layer_norm_epsilon": { type: "float32", value: 1e-6 },
    "clip.vision.image_mean": floats(0.5, 0.5, 0.5),
    "clip.vision.image_std": floats(0.5, 0.5, 0.5),
    ...metadata,
  };
  const positions = family === "resampler" ? slicePositions : side / patchSize;
  const tower = [
    tensor("v.patch_embd.weight", width, 3, patchSize, patchSize),
    ...(qwen ? [tensor("v.patch_embd.weight.1", width, 3, patchSize, patchSize)] : []),
    tensor("v.patch_embd.bias", width),
    tensor("v.position_embd.weight", positions ** 2, width),
    ...Array.from({ length: blocks }, (_, block) => [
      ...norm(`v.blk.${block}.ln1`),
      ...norm(`v.blk.${block}.ln2`),
      ...(qwen ? layer(`v.blk.${block}.attn_qkv`, 3 * width, width) : ["attn_q", "attn_k", "attn_v"].flatMap((name) => layer(`v.blk.${block}.${name}`, width, width))),
      ...layer(`v.blk.${block}.attn_out`, width, width),
      ...layer(`v.blk.${block}.ffn_up`, mlpWidth, width),
      ...layer(`v.blk.${block}.ffn_down`, width, mlpWidth),
    ]).flat(),
    ...norm("v.post_ln"),
  ];
  await writeGguf(file, { metadata: Object.entries(all), tensors: [...tower, ...tensors] });
}
