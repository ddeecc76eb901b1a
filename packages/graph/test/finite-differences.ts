import { grad, Graph, mul, openSession, reduceSum, type Shape, type Tensor, type TensorValue } from "../src/index.js";

/** A small deterministic stream of numbers in [-1, 1). */
export function seededValues(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export interface GradientCase {
  readonly inputs: Readonly<Record<string, Float32Array>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly build: (graph: Graph, tensors: Record<string, Tensor>) => Tensor;
}

/**
 * The largest difference between the graph's gradient and finite differences, relative to the gradient's largest entry.
 * The projection of the output on fixed numbers is summed in float64 on the host, and the five-point stencil's error is
 * of fourth order, so float32 rounding of the forward pass is what remains.
 */
export async function gradientError({ inputs, shapes, build }: GradientCase, step = 0.03): Promise<number> {
  const names = Object.keys(inputs);
  const forward = new Graph();
  const y = build(forward, declare(forward, shapes));
  forward.output("y", y);
  const weights = seededValues(count(y.shape), 99);

  const backward = new Graph();
  const tensors = declare(backward, shapes);
  const output = build(backward, tensors);
  const loss = reduceSum(mul(output, backward.weight("projection", "float32", output.shape, weights)));
  grad(loss, names.map((name) => tensors[name] as Tensor)).forEach((gradient, i) => backward.output(`d_${names[i]}`, gradient));

  await using forwardSession = await openSession(forward, { device: "cpu", threads: 1 });
  await using backwardSession = await openSession(backward, { device: "cpu", threads: 1 });
  const project = async (values: Readonly<Record<string, Float32Array>>): Promise<number> => {
    const { y: result } = await forwardSession.run(feeds(values, shapes));
    return ((result as TensorValue).data as Float32Array).reduce((sum, value, i) => sum + value * (weights[i] as number), 0);
  };
  const gradients = await backwardSession.run(feeds(inputs, shapes));

  let worst = 0;
  for (const name of names) {
    const analytic = gradients[`d_${name}`]?.data as Float32Array;
    const values = inputs[name] as Float32Array;
    const size = Math.max(1e-2, ...analytic.map(Math.abs));
    for (let i = 0; i < values.length; i++) {
      const at = (offset: number): Promise<number> => {
        const moved = Float32Array.from(values);
        moved[i] = (values[i] as number) + offset;
        return project({ ...inputs, [name]: moved });
      };
      const near = (await at(step)) - (await at(-step));
      const far = (await at(2 * step)) - (await at(-2 * step));
      worst = Math.max(worst, Math.abs((8 * near - far) / (12 * step) - (analytic[i] as number)) / size);
    }
  }
  return worst;
}

function declare(graph: Graph, shapes: GradientCase["shapes"]): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, "float32", shape)]));
}

function feeds(values: Readonly<Record<string, Float32Array>>, shapes: GradientCase["shapes"]): Record<string, TensorValue> {
  return Object.fromEntries(
    Object.entries(values).map(([name, data]) => [name, { dtype: "float32", shape: shapes[name] as readonly number[], data }]),
  );
}

function count(shape: Shape): number {
  return shape.reduce<number>((product, dim) => product * Number(dim), 1);
}
