import type { DeferredBytes, ExternalBytes, Graph, Shape, Tensor } from "@sightline/graph";
import type { TensorInfo, WeightSource } from "@sightline/weights";
import type { Parameter } from "../models/transformer-block.js";
import { storedTensor, weightParameters } from "./weight-parameters.js";

/**
 * The parameters of CLIP's towers, which have transformers' names and shapes, out of a file in open_clip's layout: query,
 * key and value packed into one matrix, projections stored as [in, out], other names.
 * @throws WeightsError, from the returned function, when a tensor is missing or has another shape
 */
export function openClipParameters(graph: Graph, source: WeightSource): Parameter {
  const rename = openClipNames(source);
  const plain = weightParameters(graph, source, rename);
  const known = new Map<string, Tensor>();
  return (name, shape) => {
    const data = packed(source, name, rename(name), shape) ?? projection(source, name, rename(name), shape);
    if (!data) return plain(name, shape);
    const tensor = known.get(name) ?? graph.weight(name, "float32", shape, data);
    known.set(name, tensor);
    return tensor;
  };
}

/** transformers' name of a tensor to open_clip's. Models with a text class of their own have its tensors under `text.`. */
export function openClipNames(source: WeightSource): (name: string) => string {
  const text = source.tensors.has("text.token_embedding.weight") ? "text." : "";
  return (name) =>
    name
      .replace(/^vision_model\.embeddings\.patch_embedding\./, "visual.conv1.")
      .replace(/^vision_model\.embeddings\.class_embedding$/, "visual.class_embedding")
      .replace(/^vision_model\.embeddings\.position_embedding\.weight$/, "visual.positional_embedding")
      .replace(/^vision_model\.pre_layrnorm\./, "visual.ln_pre.")
      .replace(/^vision_model\.post_layernorm\./, "visual.ln_post.")
      .replace(/^visual_projection\.weight$/, "visual.proj")
      .replace(/^vision_model\.encoder\.layers\./, "visual.transformer.resblocks.")
      .replace(/^text_model\.embeddings\.token_embedding\./, `${text}token_embedding.`)
      .replace(/^text_model\.embeddings\.position_embedding\.weight$/, `${text}positional_embedding`)
      .replace(/^text_model\.final_layer_norm\./, `${text}ln_final.`)
      .replace(/^text_projection\.weight$/, `${text}text_projection`)
      .replace(/^text_model\.encoder\.layers\./, `${text}transformer.resblocks.`)
      .replace(/\.layer_norm([12])\./, ".ln_$1.")
      .replace(/\.self_attn\.out_proj\./, ".attn.out_proj.")
      .replace(/\.self_attn\.[qkv]_proj\.(weight|bias)$/, ".attn.in_proj_$1")
      .replace(/\.mlp\.fc1\./, ".mlp.c_fc.")
      .replace(/\.mlp\.fc2\./, ".mlp.c_proj.");
}

/** Query, key and value are thirds of the packed tensor, one after the other. */
function packed(source: WeightSource, name: string, storedName: string, shape: Shape): ExternalBytes | DeferredBytes | undefined {
  const part = /\.self_attn\.([qkv])_proj\.(?:weight|bias)$/.exec(name)?.[1];
  if (part === undefined) return undefined;
  const [rows, ...rest] = shape as readonly number[];
  const info = storedTensor(source, storedName, [3 * (rows as number), ...rest]);
  const third = "qkv".indexOf(part);
  const elements = elementsOf(info) / 3;
  if (info.dtype === "F32" && info.byteOffset % 4 === 0) {
    return { file: info.file, byteOffset: info.byteOffset + third * elements * 4, byteLength: elements * 4 };
  }
  return { byteLength: elements * 4, read: async () => (await source.readFloat32(info.name)).slice(third * elements, (third + 1) * elements) };
}

function projection(source: WeightSource, name: string, storedName: string, shape: Shape): DeferredBytes | undefined {
  if (name !== "visual_projection.weight" && name !== "text_projection.weight") return undefined;
  const [out, into] = shape as readonly [number, number];
  const info = storedTensor(source, storedName, [into, out]);
  const read = async (): Promise<Float32Array> => {
    const values = await source.readFloat32(info.name);
    return Float32Array.from({ length: out * into }, (_, i) => values[(i % into) * out + Math.floor(i / into)] as number);
  };
  return { byteLength: out * into * 4, read };
}

function elementsOf({ shape }: TensorInfo): number {
  return shape.reduce((product, dim) => product * dim, 1);
}
