import { GraphError } from "./graph-error.js";
import { elementCount, formatShape, type Shape } from "./shape.js";
import type { AttributeValue, Dtype, Node, Tensor, Weight, WeightData } from "./tensor.js";

/**
 * Given the gradients of an operation's outputs, emits the gradients of its inputs, in their order.
 * `undefined` stands for "no gradient": an output that the loss does not reach, an input that takes none.
 */
export type VectorJacobianProduct = (outputGradients: readonly (Tensor | undefined)[]) => readonly (Tensor | undefined)[];

/** One differentiable step, possibly of several nodes; `grad` walks these backwards. */
export interface TapeEntry {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly vjp: VectorJacobianProduct;
}

/** Type and shape of a node's output; float32 where no type is named. */
export interface OutputSpec {
  readonly dtype?: Dtype;
  readonly shape: Shape;
}

const bytesPerElement: Record<Dtype, number> = { float32: 4, float16: 2, int64: 8, int32: 4, int8: 1, uint8: 1, bool: 1 };

/** An ONNX graph under construction. Operations are functions over its tensors; it only keeps the lists. */
export class Graph {
  readonly inputs: Tensor[] = [];
  readonly weights: Weight[] = [];
  readonly nodes: Node[] = [];
  readonly tape: TapeEntry[] = [];
  readonly outputs: { readonly name: string; readonly tensor: Tensor }[] = [];
  #names = new Set<string>();
  #constants = new Map<string, Tensor>();
  #counter: number;

  /** @param after a graph whose tensors this one will take over by their names: names made here are free there too */
  constructor(after?: Graph) {
    this.#counter = after ? after.#counter : 0;
  }

  /** A value that is fed at every run. */
  input(name: string, dtype: Dtype, shape: Shape): Tensor {
    const tensor = this.#tensor(name, dtype, shape);
    this.inputs.push(tensor);
    return tensor;
  }

  /** A value that is fixed when the session opens. Throws GraphError when the bytes do not fit dtype and shape. */
  weight(name: string, dtype: Dtype, shape: Shape, data: WeightData): Tensor {
    const expected = elementCount(shape) * bytesPerElement[dtype];
    if (data.byteLength !== expected) {
      throw new GraphError(
        `Graph.weight: "${name}" ${dtype}${formatShape(shape)} needs ${expected} bytes, got ${data.byteLength}`,
      );
    }
    const tensor = this.#tensor(name, dtype, shape);
    this.weights.push({ tensor, data });
    return tensor;
  }

  /** A float32 scalar; equal scalars are one tensor. */
  scalar(value: number): Tensor {
    return this.#constant(`f${value}`, "float32", [], () => Float32Array.of(value));
  }

  /** An int64 vector, as shapes and axes are given; equal vectors are one tensor. */
  int64s(values: readonly number[]): Tensor {
    return this.#constant(`i${values.join(",")}`, "int64", [values.length], () => BigInt64Array.from(values, BigInt));
  }

  /** The name itself, or one made from it where a tensor has it already. */
  unusedName(name: string): string {
    let unused = name;
    for (let i = 1; this.#names.has(unused); i++) unused = `${name}:${i}`;
    return unused;
  }

  /** Names a tensor as a result of the graph. */
  output(name: string, tensor: Tensor): void {
    this.#own(tensor, "Graph.output");
    if (this.outputs.some((output) => output.name === name)) {
      throw new GraphError(`Graph.output: "${name}" is already an output`);
    }
    this.outputs.push({ name, tensor });
  }

  /** Appends a node; operations call this, models do not. `undefined` inputs are ONNX's left-out optional ones. */
  node(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    outputs: readonly OutputSpec[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = "",
  ): Tensor[] {
    for (const input of inputs) if (input) this.#own(input, op);
    const results = outputs.map(({ dtype = "float32", shape }) => this.#tensor(this.#fresh(op), dtype, shape));
    this.nodes.push({ op, domain, inputs, outputs: results, attributes });
    return results;
  }

  /** As `node`, for the usual case of one output. */
  node1(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    output: OutputSpec,
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = "",
  ): Tensor {
    return this.node(op, inputs, [output], attributes, domain)[0] as Tensor;
  }

  /** Records how a result is differentiated, and returns it. */
  record(result: Tensor, inputs: readonly Tensor[], vjp: (gradient: Tensor) => readonly (Tensor | undefined)[]): Tensor {
    this.tape.push({ inputs, outputs: [result], vjp: ([gradient]) => (gradient ? vjp(gradient) : []) });
    return result;
  }

  #constant(key: string, dtype: Dtype, shape: Shape, data: () => WeightData): Tensor {
    let tensor = this.#constants.get(key);
    if (!tensor) {
      tensor = this.weight(this.#fresh("const"), dtype, shape, data());
      this.#constants.set(key, tensor);
    }
    return tensor;
  }

  /** A name that is free; a rewritten graph holds names of the one it came from. */
  #fresh(prefix: string): string {
    let name: string;
    do name = `${prefix}_${this.#counter++}`;
    while (this.#names.has(name));
    return name;
  }

  #tensor(name: string, dtype: Dtype, shape: Shape): Tensor {
    if (this.#names.has(name)) throw new GraphError(`Graph: the name "${name}" is taken`);
    for (const dim of shape) {
      if (typeof dim === "number" && (!Number.isSafeInteger(dim) || dim < 0)) {
        throw new GraphError(`Graph: "${name}" has the impossible shape ${formatShape(shape)}`);
      }
    }
    this.#names.add(name);
    return { graph: this, name, dtype, shape };
  }

  #own(tensor: Tensor, caller: string): void {
    if (tensor.graph !== this) throw new GraphError(`${caller}: tensor "${tensor.name}" belongs to another graph`);
  }
}
