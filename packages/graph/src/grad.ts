import { GraphError } from "./graph-error.js";
import { formatShape } from "./shape.js";
import type { Tensor } from "./tensor.js";
import { add } from "./ops/elementwise.js";

/**
 * Reverse-mode differentiation: emits the nodes that compute d loss / d t for every tensor t in `wrt`.
 * The backward pass is ordinary nodes of the same graph, so every provider runs it.
 * Throws GraphError when the loss is not a scalar or does not depend on one of the tensors through differentiable steps.
 */
export function grad(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0) throw new GraphError(`grad: expected a scalar loss, got shape ${formatShape(loss.shape)}`);
  const { graph } = loss;
  const tape = [...graph.tape];

  // Only steps that lead from a wanted tensor to the loss are worth differentiating.
  const reaches = new Set<Tensor>(wrt);
  for (const entry of tape) {
    if (entry.inputs.some((input) => reaches.has(input))) for (const output of entry.outputs) reaches.add(output);
  }

  const gradients = new Map<Tensor, Tensor>([[loss, graph.scalar(1)]]);
  for (const entry of tape.reverse()) {
    const outputGradients = entry.outputs.map((output) => gradients.get(output));
    if (!entry.outputs.some((output) => reaches.has(output)) || outputGradients.every((gradient) => !gradient)) continue;
    const inputGradients = entry.vjp(outputGradients);
    entry.inputs.forEach((input, i) => {
      const gradient = inputGradients[i];
      if (!gradient || !reaches.has(input)) return;
      const earlier = gradients.get(input);
      gradients.set(input, earlier ? add(earlier, gradient) : gradient);
    });
  }
  return wrt.map((tensor) => {
    const gradient = gradients.get(tensor);
    if (!gradient) throw new GraphError(`grad: the loss does not depend on "${tensor.name}"`);
    return gradient;
  });
}
