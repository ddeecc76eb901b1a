import type { Graph } from "./graph.js";
import { GraphError } from "./graph-error.js";
import { castFloat, type FloatDtype } from "./ops/cast.js";
import { rewriteGraph } from "./rewrite-graph.js";
import type { Node, Tensor } from "./tensor.js";
import { plainAttention, plainMatMul } from "./webgpu/plain-nodes.js";

/**
 * The graph in operations of the ONNX standard, opset 17, so that runtimes other than ONNX Runtime read it: its own
 * FastGelu, Gelu, FusedMatMul, MultiHeadAttention and DynamicQuantizeMatMul become what they stand for. ONNX Runtime fuses the first two and the last again;
 * what the others cost is 1 to 2% of a tower's time on a CPU (B/16 at 196 tokens, So400m at 729).
 * @throws GraphError for an operation of com.microsoft that has no such form here
 */
export function standardOps(graph: Graph): Graph {
  const read = new Set<Tensor>(graph.nodes.flatMap(({ inputs }) => inputs.filter((input) => input !== undefined)));
  for (const { tensor } of graph.outputs) read.add(tensor);
  return rewriteGraph(graph, (node, copyOf, into) => {
    // Statistics that only a backward pass reads; not every runtime gives them.
    if (node.op === "LayerNormalization" && !node.outputs.slice(1).some((output) => read.has(output))) {
      const [{ dtype, shape }] = node.outputs as [Tensor];
      return into.node(node.op, node.inputs.map((input) => input && copyOf(input)), [{ dtype, shape }], node.attributes);
    }
    if (node.domain === "") return undefined;
    const standard = forms[node.op];
    if (!standard) throw new GraphError(`standardOps: "${node.domain}.${node.op}" has no form in standard operations; write the graph as it is`);
    return [standard(node, copyOf)];
  });
}

type CopyOf = (tensor: Tensor) => Tensor;

const forms: Readonly<Record<string, (node: Node, copyOf: CopyOf) => Tensor>> = {
  FastGelu: ({ inputs }, copyOf) => plainGeluTanh(copyOf(inputs[0] as Tensor)),
  Gelu: ({ inputs }, copyOf) => plainGeluErf(copyOf(inputs[0] as Tensor)),
  FusedMatMul: plainMatMul,
  MultiHeadAttention: plainAttention,
  DynamicQuantizeMatMul: plainDynamicQuantizeMatMul,
};

/** The chain of nodes that ONNX Runtime knows to fuse: x to uint8 over its range, an integer product, both scales, the bias. */
function plainDynamicQuantizeMatMul({ inputs, outputs }: Node, copyOf: CopyOf): Tensor {
  const [x, matrix, scales] = inputs.slice(0, 3).map((input) => copyOf(input as Tensor)) as [Tensor, Tensor, Tensor];
  const { graph } = x;
  const shape = outputs[0]?.shape ?? [];
  const [quantized, scale, zero] = graph.node("DynamicQuantizeLinear", [x], [{ dtype: "uint8", shape: x.shape }, { shape: [] }, { dtype: "uint8", shape: [] }]) as [Tensor, Tensor, Tensor];
  const product = graph.node1("MatMulInteger", [quantized, matrix, zero], { dtype: "int32", shape });
  const both = graph.node1("Mul", [scale, scales], { shape: scales.shape });
  const result = graph.node1("Mul", [graph.node1("Cast", [product], { shape }, { to: onnxFloat }), both], { shape });
  return inputs[4] ? graph.node1("Add", [result, copyOf(inputs[4])], { shape }) : result;
}

/** TensorProto.DataType.FLOAT */
const onnxFloat = 1;

/** In the order of operations that ONNX Runtime knows to fuse: x · 0.5 · (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))). */
function plainGeluTanh(x: Tensor): Tensor {
  const { op, of } = elementwise(x);
  const inner = op("Mul", op("Add", x, op("Mul", op("Pow", x, of(3)), of(0.044715))), of(Math.sqrt(2 / Math.PI)));
  return op("Mul", op("Mul", x, of(0.5)), op("Add", op("Tanh", inner), of(1)));
}

/** Likewise: x · (1 + erf(x / sqrt 2)) · 0.5. */
function plainGeluErf(x: Tensor): Tensor {
  const { op, of } = elementwise(x);
  return op("Mul", op("Mul", x, op("Add", op("Erf", op("Div", x, of(Math.SQRT2))), of(1))), of(0.5));
}

/** Nodes and constants of one tensor's type and shape. */
function elementwise({ graph, dtype, shape }: Tensor): { op: (name: string, ...inputs: Tensor[]) => Tensor; of: (value: number) => Tensor } {
  return {
    op: (name, ...inputs) => graph.node1(name, inputs, { dtype, shape }),
    of: (value) => castFloat(graph.scalar(value), dtype as FloatDtype),
  };
}
