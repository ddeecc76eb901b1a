import { openWeights, writeGguf, type GgufValue, type TensorToWrite } from "@sightline/weights";
import { Command, Option } from "commander";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { writeRandomCheckpoint } from "./random-checkpoint.js";
import { towerVariants } from "./tower-variants.js";

/** Shapes of a projector behind a tower of width D, for a decoder of width W; which block of the tower it reads. */
interface BenchProjector {
  /** A LLaVA projector reads the last block but one, so one block more than the tower has. */
  readonly extraBlocks: number;
  readonly postLayerNorm: boolean;
  tensors(D: number, W: number): readonly { readonly name: string; readonly shape: readonly number[] }[];
}

const projectors: Readonly<Record<string, BenchProjector>> = {
  mlp: {
    extraBlocks: 1,
    postLayerNorm: false,
    tensors: (D, W) => [{ name: "mm.0.weight", shape: [W, D] }, { name: "mm.0.bias", shape: [W] }, { name: "mm.2.weight", shape: [W, W] }, { name: "mm.2.bias", shape: [W] }],
  },
  gemma3: {
    extraBlocks: 0,
    postLayerNorm: true,
    tensors: (D, W) => [{ name: "mm.soft_emb_norm.weight", shape: [D] }, { name: "mm.input_projection.weight", shape: [D, W] }],
  },
};

/**
 * `bench mmproj`: the tower of `bench tower` as an mmproj GGUF in F32 with a projector as wide as a decoder, for llama.cpp's
 * own encoder: bench/README.md has the command.
 */
export function mmprojCommand(): Command {
  return new Command("mmproj")
    .requiredOption("--out <file>", "the GGUF to write")
    .requiredOption("--width <n>", "the decoder's embedding width", Number)
    .option("--variant <name>", "which tower", "so400m-patch14-384")
    .addOption(new Option("--projector <type>", "mlp: LLaVA's; gemma3: Gemma 3's, which makes 256 rows of so400m-patch14-896").choices(Object.keys(projectors)).default("mlp"))
    .action(writeMmproj);
}

async function writeMmproj({ out, width, variant, projector: type }: { readonly out: string; readonly width: number; readonly variant: string; readonly projector: string }): Promise<void> {
  const config = towerVariants[variant];
  if (!config) throw new RangeError(`bench mmproj: expected --variant to be one of ${Object.keys(towerVariants).join(", ")}, got "${variant}"`);
  const projector = projectors[type] as BenchProjector;
  const folder = await mkdtemp(path.join(tmpdir(), "sightline-bench-"));
  try {
    const layers = config.layers + projector.extraBlocks;
    await writeRandomCheckpoint({ ...config, layers }, folder);
    await using source = await openWeights(folder);
    const tensors: TensorToWrite[] = [];
    for (const { name, shape } of source.tensors.values()) {
      const renamed = ggufName(name);
      if (renamed !== undefined && (projector.postLayerNorm || !renamed.startsWith("v.post_ln"))) tensors.push({ name: renamed, dtype: "F32", shape, data: () => source.readFloat32(name) });
    }
    // Any values will do that keep rows apart: int8 is held to their direction.
    const spread = (name: string, shape: readonly number[]): TensorToWrite => {
      const scale = shape.length === 1 ? 0.1 : (shape[1] as number) ** -0.5;
      return { name, dtype: "F32", shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (name.includes("norm") ? 1 : 0) + scale * ((Math.imul(i + 1, 2654435761) >>> 0) / 2 ** 31 - 1)) };
    };
    tensors.push(...projector.tensors(config.width, width).map(({ name, shape }) => spread(name, shape)));
    const u32 = (value: number): GgufValue => ({ type: "uint32", value });
    const f32 = (value: number): GgufValue => ({ type: "float32", value });
    const halves: GgufValue = { type: "array", of: "float32", value: [0.5, 0.5, 0.5] };
    await writeGguf(out, {
      tensors,
      metadata: Object.entries({
        "general.architecture": { type: "string", value: "clip" },
        "general.file_type": u32(0),
        "clip.has_vision_encoder": { type: "bool", value: true },
        "clip.projector_type": { type: "string", value: type },
        "clip.use_gelu": { type: "bool", value: true },
        "clip.vision.image_size": u32(config.imageSize),
        "clip.vision.patch_size": u32(config.patchSize),
        "clip.vision.embedding_length": u32(config.width),
        "clip.vision.feed_forward_length": u32(config.mlpWidth),
        "clip.vision.projection_dim": u32(width),
        "clip.vision.block_count": u32(layers),
        "clip.vision.attention.head_count": u32(config.heads),
        "clip.vision.attention.layer_norm_epsilon": f32(config.layerNormEps),
        "clip.vision.image_mean": halves,
        "clip.vision.image_std": halves,
      } satisfies Record<string, GgufValue>),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A tower's tensor as GGUF calls it; nothing for the pooling head, which llama.cpp does not read. */
function ggufName(name: string): string | undefined {
  if (name.startsWith("vision_model.head.")) return undefined;
  return name
    .replace("vision_model.embeddings.patch_embedding", "v.patch_embd")
    .replace("vision_model.embeddings.position_embedding", "v.position_embd")
    .replace("vision_model.post_layernorm", "v.post_ln")
    .replace("vision_model.encoder.layers.", "v.blk.")
    .replace("layer_norm", "ln")
    .replace("self_attn.out_proj", "attn_out")
    .replace(/self_attn\.([qkv])_proj/, "attn_$1")
    .replace("mlp.fc1", "ffn_up")
    .replace("mlp.fc2", "ffn_down");
}
