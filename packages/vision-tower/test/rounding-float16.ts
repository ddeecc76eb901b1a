import { readFile } from "node:fs/promises";
import { Graph, type Tensor, type WeightData } from "@sightline/graph";

/**
 * A graph of `toFloat16` as float32 in which every float16 tensor is rounded to float16's 11 bits where it is computed,
 * which is what a GPU does that sums in float32. ONNX Runtime's CPU provider would keep float32 between some of its
 * nodes. Rounding is Dekker's splitting (1971): c = 8193 x, c - (c - x). Subnormals keep more bits than they would have;
 * the output `largest` is the greatest magnitude of any such tensor, to be held against float16's 65504.
 */
export function roundingFloat16(graph: Graph): Graph {
  const into = new Graph(graph);
  const copies = new Map<Tensor, Tensor>();
  const magnitudes: Tensor[] = [];
  for (const { name, dtype, shape } of graph.inputs) into.input(name, dtype, shape);
  graph.inputs.forEach((input, i) => copies.set(input, into.inputs[i] as Tensor));
  for (const { tensor, data } of graph.weights) {
    const wide = tensor.dtype === "float16" ? { byteLength: data.byteLength * 2, read: async () => Float32Array.from(await halves(data), widened) } : data;
    copies.set(tensor, into.weight(tensor.name, tensor.dtype === "float16" ? "float32" : tensor.dtype, tensor.shape, wide));
  }
  for (const { op, domain, inputs, outputs, attributes } of graph.nodes) {
    const copied = inputs.map((input) => input && copies.get(input));
    const results =
      op === "Cast" ? [copied[0] as Tensor] : into.node(op, copied, outputs.map(({ dtype, shape }) => ({ shape, dtype: dtype === "float16" ? "float32" : dtype })), attributes, domain);
    outputs.forEach((output, i) => {
      const result = results[i] as Tensor;
      copies.set(output, output.dtype === "float16" ? rounded(result) : result);
      if (output.dtype === "float16") magnitudes.push(into.node1("ReduceMax", [into.node1("Abs", [result], { shape: result.shape })], { shape: [] }, { keepdims: 0 }));
    });
  }
  for (const { name, tensor } of graph.outputs) into.output(name, copies.get(tensor) as Tensor);
  into.output("largest", into.node1("Max", magnitudes, { shape: [] }));
  return into;
}

function rounded(x: Tensor): Tensor {
  const { graph, shape } = x;
  const c = graph.node1("Mul", [x, graph.scalar(8193)], { shape });
  return graph.node1("Sub", [c, graph.node1("Sub", [c, x], { shape })], { shape });
}

async function halves(data: WeightData): Promise<Uint16Array> {
  if ("read" in data) return (await data.read()) as Uint16Array;
  if (!("file" in data)) return data as Uint16Array;
  const bytes = await readFile(data.file);
  return new Uint16Array(bytes.buffer.slice(bytes.byteOffset + data.byteOffset, bytes.byteOffset + data.byteOffset + data.byteLength));
}

function widened(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
