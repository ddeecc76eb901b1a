import { mmprojTowerName, siglipTowerTensors } from "@sightline/vision-tower";
import { openWeights, type TensorToWrite } from "@sightline/weights";
import { Command, Option } from "commander";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { writeMmproj } from "sightline";
import { writeRandomCheckpoint } from "./random-checkpoint.js";
import { towerVariants } from "./tower-variants.js";

/** Shapes of a projector behind a tower of width D, for a decoder of width W; it reads the last block. */
interface BenchProjector {
  readonly postLayerNorm: boolean;
  tensors(D: number, W: number): readonly { readonly name: string; readonly shape: readonly number[] }[];
}

const projectors: Readonly<Record<string, BenchProjector>> = {
  mlp: {
    postLayerNorm: false,
    tensors: (D, W) => [{ name: "mm.0.weight", shape: [W, D] }, { name: "mm.0.bias", shape: [W] }, { name: "mm.2.weight", shape: [W, W] }, { name: "mm.2.bias", shape: [W] }],
  },
  gemma3: {
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
    .action(writeRandomMmproj);
}

async function writeRandomMmproj({ out, width, variant, projector: type }: { readonly out: string; readonly width: number; readonly variant: string; readonly projector: string }): Promise<void> {
  const config = towerVariants[variant];
  if (!config) throw new RangeError(`bench mmproj: expected --variant to be one of ${Object.keys(towerVariants).join(", ")}, got "${variant}"`);
  const projector = projectors[type] as BenchProjector;
  const folder = await mkdtemp(path.join(tmpdir(), "sightline-bench-"));
  try {
    await writeRandomCheckpoint(config, folder);
    await using source = await openWeights(folder);
    const tensors = siglipTowerTensors(config.layers, projector.postLayerNorm).map((name): TensorToWrite => {
      const info = source.tensors.get(name);
      if (!info) throw new Error(`bench mmproj: the random checkpoint lacks ${name}`);
      return { name: mmprojTowerName(name) ?? name, dtype: "F32", shape: info.shape, data: () => source.readFloat32(name) };
    });
    // Any values will do that keep rows apart: int8 is held to their direction.
    const spread = (name: string, shape: readonly number[]): TensorToWrite => {
      const scale = shape.length === 1 ? 0.1 : (shape[1] as number) ** -0.5;
      return { name, dtype: "F32", shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (name.includes("norm") ? 1 : 0) + scale * ((Math.imul(i + 1, 2654435761) >>> 0) / 2 ** 31 - 1)) };
    };
    tensors.push(...projector.tensors(config.width, width).map(({ name, shape }) => spread(name, shape)));
    const half = [0.5, 0.5, 0.5] as const;
    await writeMmproj(out, {
      name: `${variant} with random weights`,
      vision: config,
      normalization: { mean: half, std: half },
      projector: [["clip.projector_type", { type: "string", value: type }], ["clip.vision.projection_dim", { type: "uint32", value: width }]],
      fileType: 0,
      tensors,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
