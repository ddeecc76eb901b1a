import { add, attention, gatherRows, geluTanh, Graph, layerNorm, linear, reduceMean, type Shape, type Tensor } from "@sightline/graph";

export const tiny = { tokens: 3, pixels: 5, width: 4, vocabulary: 11, embedding: 6 } as const;

type Parameter = (name: string, shape: Shape) => Tensor;

function block(x: Tensor, parameter: Parameter, prefix: string): Tensor {
  const { width } = tiny;
  const dense = (input: Tensor, name: string, out: number): Tensor =>
    linear(input, parameter(`${prefix}.${name}.weight`, [out, input.shape.at(-1)!]), parameter(`${prefix}.${name}.bias`, [out]));
  const norm = (input: Tensor, name: string): Tensor => layerNorm(input, parameter(`${prefix}.${name}.weight`, [width]), parameter(`${prefix}.${name}.bias`, [width]), 1e-6);
  const normed = norm(x, "layer_norm1");
  const attended = attention(dense(normed, "q_proj", width), dense(normed, "k_proj", width), dense(normed, "v_proj", width), { heads: 2 });
  const after = add(x, dense(attended, "out_proj", width));
  return add(after, dense(geluTanh(dense(norm(after, "layer_norm2"), "fc1", 2 * width)), "fc2", width));
}

/** `pixels` float32[B, 3, 5] -> float32[B, 6], one block. */
export function tinyImageTower(graph: Graph, parameter: Parameter, images: number): Tensor {
  const pixels = graph.input("pixels", "float32", [images, tiny.tokens, tiny.pixels]);
  const embedded = linear(pixels, parameter("vision_model.embed.weight", [tiny.width, tiny.pixels]));
  return linear(reduceMean(block(embedded, parameter, "vision_model.encoder.layers.0"), [1]), parameter("vision_model.head.weight", [tiny.embedding, tiny.width]));
}

/** `tokens` int64[B, 3] -> float32[B, 6], one block. */
export function tinyTextTower(graph: Graph, parameter: Parameter, texts: number): Tensor {
  const tokens = graph.input("tokens", "int64", [texts, tiny.tokens]);
  const embedded = gatherRows(parameter("text_model.embed.weight", [tiny.vocabulary, tiny.width]), tokens);
  return linear(reduceMean(block(embedded, parameter, "text_model.encoder.layers.0"), [1]), parameter("text_model.head.weight", [tiny.embedding, tiny.width]));
}
