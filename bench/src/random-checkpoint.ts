import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Graph, type Shape, type Tensor } from "@sightline/graph";
import { patchesOf, siglipPatchTokens, siglipPooledEmbedding, type SiglipVisionConfig } from "@sightline/vision-tower";
import { writeSafetensors, type TensorToWrite } from "@sightline/weights";

/** Values that all tensors are cut from. */
const poolSize = 2 ** 22;

/**
 * Writes a SigLIP vision tower with random weights as a Hugging Face directory: weights of variance 1/in, gains near 1,
 * so that activations keep their size through the layers, as trained ones do. Seeded.
 * @returns bytes of its weights
 */
export async function writeRandomCheckpoint(config: SiglipVisionConfig, directory: string): Promise<number> {
  const pool = normals(poolSize);
  const tensors = parameterShapes(config).map(([name, shape], i): TensorToWrite => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    const gain = /norm\d?\.weight$/.test(name);
    const spread = gain ? 0.1 : shape.length === 1 ? 0.02 : 1 / Math.sqrt(count / (shape[0] as number));
    return { name, dtype: "F32", shape, data: async () => Float32Array.from({ length: count }, (_, k) => (gain ? 1 : 0) + spread * (pool[(k + i * 7919) % poolSize] as number)) };
  });
  await mkdir(directory, { recursive: true });
  await writeSafetensors(path.join(directory, "model.safetensors"), tensors);
  const vision = {
    hidden_size: config.width,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.mlpWidth,
    image_size: config.imageSize,
    patch_size: config.patchSize,
  };
  await writeFile(path.join(directory, "config.json"), JSON.stringify({ model_type: "siglip", vision_config: vision, text_config: { hidden_size: config.width, num_attention_heads: config.heads } }));
  await writeFile(path.join(directory, "preprocessor_config.json"), JSON.stringify({ size: { height: config.imageSize, width: config.imageSize }, resample: 3 }));
  return tensors.reduce((sum, { shape }) => sum + 4 * shape.reduce((product, dim) => product * dim, 1), 0);
}

/** Names and shapes, as the builder asks for them. */
function parameterShapes(config: SiglipVisionConfig): (readonly [name: string, shape: readonly number[]])[] {
  const shapes = new Map<string, readonly number[]>();
  const graph = new Graph();
  const tensors = new Map<string, Tensor>();
  const parameter = (name: string, shape: Shape): Tensor => {
    const known = tensors.get(name) ?? graph.input(name, "float32", shape);
    tensors.set(name, known);
    shapes.set(name, shape as readonly number[]);
    return known;
  };
  const pixels = graph.input("pixels", "float32", ["B", 3, config.imageSize, config.imageSize]);
  siglipPooledEmbedding(siglipPatchTokens(patchesOf(pixels, config.patchSize), parameter, config, { fused: true }), parameter, config);
  return [...shapes];
}

/** Normal values by Box and Muller, from Numerical Recipes' generator. */
function normals(count: number): Float32Array {
  let state = 1;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}
