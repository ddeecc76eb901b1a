import { Graph } from "../graph.js";
import { castFloat, type FloatDtype } from "../ops/cast.js";
import type { Session, TensorValue } from "../session.js";
import { formatShape } from "../shape.js";
import type { Node, Tensor } from "../tensor.js";
import { plainAttention } from "./plain-nodes.js";

/** Between values of at most 1; float16's own rounding is 5e-4. */
const allowed: Readonly<Record<FloatDtype, number>> = { float32: 1e-4, float16: 1e-2 };
/** More than one image, because a kernel may be right for the first only. */
const batch = 2;

const known = new Map<string, Promise<boolean>>();

/**
 * Whether WebGPU's fused attention computes what attention is, for a node's own shape on this machine's driver. The
 * provider's kernel for 32 tokens and more (1.30.0) presumes things of a driver that do not hold for all: on
 * SwiftShader its results are wrong by a tenth. So each shape is tried once in a process, on numbers of its own, against
 * the same sums in plain nodes on the same device. A device that fails to run it fails the check too.
 */
export function attentionIsRight(node: Node, open: (graph: Graph) => Promise<Session>): Promise<boolean> {
  const { inputs, attributes } = node;
  const key = [attributes["num_heads"], ...inputs.map((tensor) => tensor && `${tensor.dtype}${formatShape(tensor.shape)}`)].join();
  let result = known.get(key);
  if (!result) known.set(key, (result = tryNode(node, open)));
  return result;
}

async function tryNode(node: Node, open: (graph: Graph) => Promise<Session>): Promise<boolean> {
  const { graph, feeds } = trial(node);
  try {
    await using session = await open(graph);
    const { fused, plain } = await session.run(feeds);
    const [a, b] = [fused?.data as Float32Array, plain?.data as Float32Array];
    const furthest = a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
    return furthest <= (allowed[dtypeOf(node)]);
  } catch {
    return false;
  }
}

/** The node and its plain twin over the same inputs, and values for them in [-1, 1). */
function trial(node: Node): { graph: Graph; feeds: Record<string, TensorValue> } {
  const graph = new Graph();
  const feeds: Record<string, TensorValue> = {};
  const copies = new Map<Tensor, Tensor>();
  const input = (tensor: Tensor, i: number): Tensor => {
    const shape = tensor.shape.map((dim) => (typeof dim === "number" ? dim : batch));
    const name = `input${i}`;
    feeds[name] = { dtype: "float32", shape, data: values(shape, i + 1) };
    const value = graph.input(name, "float32", shape);
    const typed = castFloat(value, tensor.dtype as FloatDtype);
    copies.set(tensor, typed);
    return typed;
  };
  const inputs = node.inputs.map((tensor, i) => tensor && (copies.get(tensor) ?? input(tensor, i)));
  const shape = (inputs[0] as Tensor).shape;
  const fused = graph.node1(node.op, inputs, { dtype: dtypeOf(node), shape }, node.attributes, node.domain);
  const plain = plainAttention({ ...node, inputs, outputs: [fused] }, (tensor) => tensor);
  graph.output("fused", castFloat(fused, "float32"));
  graph.output("plain", castFloat(plain, "float32"));
  return { graph, feeds };
}

function dtypeOf(node: Node): FloatDtype {
  return node.outputs[0]?.dtype === "float16" ? "float16" : "float32";
}

/** Numbers that look random; scores among them differ by about as much as a trained model's. */
function values(shape: readonly number[], seed: number): Float32Array {
  let state = seed;
  // Numerical Recipes' generator.
  return Float32Array.from({ length: shape.reduce((product, dim) => product * dim, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
