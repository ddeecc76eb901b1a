import { Graph } from "./graph.js";
import { GraphError } from "./graph-error.js";
import { castFloat, type FloatDtype } from "./ops/cast.js";
import { readFloat32Weight } from "./resolve-weights.js";
import type { Node, Tensor, Weight, WeightData } from "./tensor.js";

/** float32 values to the bits of float16, rounded to nearest, as @sightline/weights' `narrowFloat16` does it. */
export type NarrowFloat16 = (values: Float32Array) => Uint16Array<ArrayBuffer>;

/** Matrix products and attention: nearly all of a transformer's time, and their kernels sum in float32. */
const halved = new Set(["Gemm", "MatMul", "FusedMatMul", "MultiHeadAttention"]);
/** These follow their input: element by element, or only moving elements. */
const following = new Set(["FastGelu", "Gelu", "Sigmoid", "Mul", "RotaryEmbedding", "Reshape", "Transpose", "Slice", "Concat", "Gather", "Expand", "Squeeze", "Unsqueeze"]);

/**
 * The graph with its matrix products, attention and activations in float16, and the rest in float32: sums of the
 * residual stream, whose few large channels exceed float16's precision, layer norms, softmax and reductions. Inputs and
 * outputs keep their types. The result can be run, not differentiated.
 *
 * Weights become float16 when a session opens, one at a time; those that a file holds in float16 are used as they lie there.
 * @param narrow how float32 becomes float16
 * @throws GraphError, when a session opens, naming a weight that has a value beyond ±65504
 */
export function toFloat16(graph: Graph, narrow: NarrowFloat16): Graph {
  return new HalfGraph(graph, narrow).build();
}

class HalfGraph {
  readonly #graph: Graph;
  readonly #narrow: NarrowFloat16;
  readonly #into: Graph;
  readonly #weights: ReadonlyMap<Tensor, Weight>;
  /** Tensors of the old graph that only weights lead to, with the node that gives them. */
  readonly #moved = new Map<Tensor, Node>();
  /** What stands for a tensor of the old graph, in each type that it was asked for. */
  readonly #copies: Readonly<Record<FloatDtype, Map<Tensor, Tensor>>> = { float32: new Map(), float16: new Map() };

  constructor(graph: Graph, narrow: NarrowFloat16) {
    this.#graph = graph;
    this.#narrow = narrow;
    this.#into = new Graph(graph);
    this.#weights = new Map(graph.weights.map((weight) => [weight.tensor, weight]));
  }

  build(): Graph {
    for (const input of this.#graph.inputs) this.#copies.float32.set(input, this.#into.input(input.name, input.dtype, input.shape));
    for (const node of this.#graph.nodes) {
      // A slice of a weight is made where it is read, in the type in which it is read.
      if (following.has(node.op) && node.inputs.every((input) => !input || this.#isConstant(input))) {
        for (const output of node.outputs) this.#moved.set(output, node);
      } else this.#emit(node, this.#runsIn(node));
    }
    for (const { name, tensor } of this.#graph.outputs) this.#into.output(name, this.#copyOf(tensor, "float32"));
    return this.#into;
  }

  #isConstant(tensor: Tensor): boolean {
    return this.#weights.has(tensor) || this.#moved.has(tensor);
  }

  #runsIn(node: Node): FloatDtype {
    const [table] = node.inputs;
    // A table of tokens is the largest weight of a text tower, and reading a row of it adds no error of its own.
    if (halved.has(node.op) || (node.op === "Gather" && table?.dtype === "float32" && this.#isConstant(table))) return "float16";
    const values = node.inputs.filter((input) => input !== undefined && input.dtype === "float32" && !this.#isConstant(input));
    const half = following.has(node.op) && values.length > 0 && values.every((input) => this.#copies.float16.has(input as Tensor) && !this.#copies.float32.has(input as Tensor));
    return half ? "float16" : "float32";
  }

  #emit(node: Node, dtype: FloatDtype): void {
    const inputs = node.inputs.map((input) => input && this.#copyOf(input, dtype));
    const outputs = node.outputs.map((output) => ({ shape: output.shape, dtype: output.dtype === "float32" ? dtype : output.dtype }));
    const results = this.#into.node(node.op, inputs, outputs, node.attributes, node.domain);
    node.outputs.forEach((output, i) => this.#copies[output.dtype === "float32" ? dtype : "float32"].set(output, results[i] as Tensor));
  }

  /** A tensor of the new graph for one of the old: in `dtype` if it holds floats, in its own type otherwise. */
  #copyOf(tensor: Tensor, dtype: FloatDtype): Tensor {
    const copies = this.#copies[tensor.dtype === "float32" ? dtype : "float32"];
    const known = copies.get(tensor);
    if (known) return known;
    const weight = this.#weights.get(tensor);
    const node = this.#moved.get(tensor);
    if (weight) copies.set(tensor, tensor.dtype === "float32" && dtype === "float16" ? this.#halfWeight(weight) : this.#into.weight(tensor.name, tensor.dtype, tensor.shape, weight.data));
    else if (node) this.#emit(node, dtype);
    else copies.set(tensor, this.#cast(tensor, dtype));
    return copies.get(tensor) as Tensor;
  }

  #cast(tensor: Tensor, dtype: FloatDtype): Tensor {
    const other = this.#copies[dtype === "float16" ? "float32" : "float16"].get(tensor);
    if (!other) throw new GraphError(`toFloat16: "${tensor.name}" is neither computed before it is read nor a weight`);
    return castFloat(other, dtype);
  }

  #halfWeight({ tensor, data }: Weight): Tensor {
    return this.#into.weight(`${tensor.name}:float16`, "float16", tensor.shape, halfData(tensor.name, data, this.#narrow));
  }
}

function halfData(name: string, data: WeightData, narrow: NarrowFloat16): WeightData {
  if ("float16" in data && data.float16) return data.float16;
  return {
    byteLength: data.byteLength / 2,
    read: async () => {
      const values = await readFloat32Weight(data);
      const bits = narrow(values);
      const beyond = bits.findIndex((half) => (half & 0x7fff) === 0x7c00);
      if (beyond >= 0) {
        throw new GraphError(`toFloat16: "${name}" holds ${values[beyond]}, beyond float16's largest value 65504; open it in float32`);
      }
      return bits;
    },
  };
}
