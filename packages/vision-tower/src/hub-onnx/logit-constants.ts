import { readModelOutline, type ModelOutline, type OutlineNode } from "@sightline/graph";
import { fromFloat16 } from "@sightline/weights";
import type { LogitScale } from "../cosine-logits.js";

/** Operations that hand a scalar on as it is. */
const passing = new Set(["Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten"]);
const logitNames = ["logits_per_image", "logits_per_text"];

/**
 * The scale and bias of logits that a model of both towers has among its constants. They are found by what becomes of
 * the product of the embeddings, since exporters fold and rename them: logits = product · scale + bias, in any order of
 * the factors, and transposed or not.
 * @param file an .onnx file with an output `logits_per_image` or `logits_per_text`
 * @returns undefined where they are not found; a bias of 0 where nothing is added
 * @throws GraphError when the file is no ONNX model
 */
export async function readLogitConstants(file: string): Promise<LogitScale | undefined> {
  const outline = await readModelOutline(file, fromFloat16);
  const producers = new Map<string, OutlineNode>(outline.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  for (const name of logitNames) {
    const found = walkBack(name, producers, outline);
    if (found) return found;
  }
  return undefined;
}

function walkBack(output: string, producers: ReadonlyMap<string, OutlineNode>, outline: ModelOutline): LogitScale | undefined {
  let scale: number | undefined;
  let bias = 0;
  let name: string | undefined = output;
  while (name !== undefined) {
    const node = producers.get(name);
    if (!node) return undefined;
    const { op, inputs } = node;
    if (passing.has(op) || op === "Transpose") {
      name = inputs[0];
    } else if (op === "Add" || op === "Mul") {
      const constants = inputs.map((input) => constantOf(input, producers, outline));
      const at = constants.findIndex((value) => value !== undefined);
      if (at < 0) return undefined;
      const value = constants[at] as number;
      if (op === "Mul") scale = (scale ?? 1) * value;
      // What is added before a factor is multiplied with it.
      else bias += value * (scale ?? 1);
      name = inputs[1 - at];
    } else {
      const isProduct = op === "MatMul" || op === "Gemm" || op === "FusedMatMul";
      return isProduct && scale !== undefined ? { scale, bias } : undefined;
    }
  }
  return undefined;
}

function constantOf(name: string, producers: ReadonlyMap<string, OutlineNode>, outline: ModelOutline): number | undefined {
  const known = outline.scalars.get(name);
  if (known !== undefined) return known;
  const node = producers.get(name);
  const input = node?.inputs[0];
  if (!node || input === undefined || (!passing.has(node.op) && node.op !== "Exp")) return undefined;
  const value = constantOf(input, producers, outline);
  return value !== undefined && node.op === "Exp" ? Math.exp(value) : value;
}
