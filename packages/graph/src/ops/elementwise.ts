import { broadcastShapes, knownDim, sameShape, type Dim, type Shape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { sumTo } from "./reduce.js";

function binary(op: string, a: Tensor, b: Tensor): Tensor {
  return a.graph.node1(op, [a, b], { dtype: a.dtype, shape: broadcastShapes(a.shape, b.shape, op) });
}

function unary(op: string, x: Tensor): Tensor {
  return x.graph.node1(op, [x], { dtype: x.dtype, shape: x.shape });
}

/** a + b with NumPy broadcasting. */
export function add(a: Tensor, b: Tensor): Tensor {
  return a.graph.record(binary("Add", a, b), [a, b], (d) => [sumTo(d, a.shape), sumTo(d, b.shape)]);
}

/** a - b with NumPy broadcasting. */
export function sub(a: Tensor, b: Tensor): Tensor {
  return a.graph.record(binary("Sub", a, b), [a, b], (d) => [sumTo(d, a.shape), sumTo(neg(d), b.shape)]);
}

/** a · b, element by element, with NumPy broadcasting. */
export function mul(a: Tensor, b: Tensor): Tensor {
  return a.graph.record(binary("Mul", a, b), [a, b], (d) => [sumTo(mul(d, b), a.shape), sumTo(mul(d, a), b.shape)]);
}

/** a / b, element by element, with NumPy broadcasting. */
export function div(a: Tensor, b: Tensor): Tensor {
  const y = binary("Div", a, b);
  return a.graph.record(y, [a, b], (d) => {
    const da = div(d, b);
    return [sumTo(da, a.shape), sumTo(neg(mul(da, y)), b.shape)];
  });
}

/** x · factor, for a factor known when the graph is built. */
export function scale(x: Tensor, factor: number): Tensor {
  return x.graph.record(binary("Mul", x, x.graph.scalar(factor)), [x], (d) => [scale(d, factor)]);
}

/** x + offset, for an offset known when the graph is built. */
export function shift(x: Tensor, offset: number): Tensor {
  return x.graph.record(binary("Add", x, x.graph.scalar(offset)), [x], (d) => [d]);
}

/** 1 - x, for the derivatives below; not differentiable itself. */
function oneMinus(x: Tensor): Tensor {
  return x.graph.node1("Sub", [x.graph.scalar(1), x], { shape: x.shape });
}

/** -x, element by element, of x's shape. */
export function neg(x: Tensor): Tensor {
  return x.graph.record(unary("Neg", x), [x], (d) => [neg(d)]);
}

/** e^x, element by element, of x's shape. */
export function exp(x: Tensor): Tensor {
  const y = unary("Exp", x);
  return x.graph.record(y, [x], (d) => [mul(d, y)]);
}

/** The natural logarithm, element by element, of x's shape. */
export function log(x: Tensor): Tensor {
  return x.graph.record(unary("Log", x), [x], (d) => [div(d, x)]);
}

/** The square root, element by element, of x's shape. */
export function sqrt(x: Tensor): Tensor {
  const y = unary("Sqrt", x);
  return x.graph.record(y, [x], (d) => [scale(div(d, y), 0.5)]);
}

/** The hyperbolic tangent, element by element, of x's shape. */
export function tanh(x: Tensor): Tensor {
  const y = unary("Tanh", x);
  return x.graph.record(y, [x], (d) => [mul(d, oneMinus(mul(y, y)))]);
}

/** 1 / (1 + e^-x), element by element, of x's shape. */
export function sigmoid(x: Tensor): Tensor {
  const y = unary("Sigmoid", x);
  return x.graph.record(y, [x], (d) => [mul(d, mul(y, oneMinus(y)))]);
}

/**
 * log(1 + exp(x)) without overflow: max(x, 0) + log(1 + exp(-|x|)).
 * ONNX Runtime's own Softplus is not used: the reference definition overflows for large x.
 */
export function softplus(x: Tensor): Tensor {
  const positive = unary("Relu", x);
  const tail = unary("Log", shift(unary("Exp", unary("Neg", unary("Abs", x))), 1));
  return x.graph.record(binary("Add", positive, tail), [x], (d) => [mul(d, unary("Sigmoid", x))]);
}

/** x · sigmoid(x) (Elfwing et al. 2018), the gate of SwiGLU. */
export function silu(x: Tensor): Tensor {
  const s = unary("Sigmoid", x);
  const y = binary("Mul", x, s);
  return x.graph.record(y, [x], (d) => [mul(d, add(s, mul(y, oneMinus(s))))]);
}

/** x · sigmoid(1.702 x), the GELU of OpenAI's CLIP. */
export function quickGelu(x: Tensor): Tensor {
  return mul(x, sigmoid(scale(x, 1.702)));
}

const twoOverSqrtPi = 2 * Math.sqrt(2 / Math.PI);

/**
 * GELU in its tanh form (Hendrycks & Gimpel 2016, section 2), SigLIP's `gelu_pytorch_tanh`:
 * 0.5 x (1 + tanh(u)) = x · sigmoid(2u), with u = sqrt(2/pi) (x + 0.044715 x^3).
 */
export function geluTanh(x: Tensor): Tensor {
  const y = x.graph.node1("FastGelu", [x], { dtype: x.dtype, shape: x.shape }, {}, "com.microsoft");
  return x.graph.record(y, [x], (d) => {
    // d/dx [x s(v)] = s + x s (1 - s) v' = s + y (1 - s) v', where v = 2u = x (c + c·0.044715 x^2).
    const cubic = scale(mul(x, x), twoOverSqrtPi * 0.044715);
    const s = unary("Sigmoid", mul(x, shift(cubic, twoOverSqrtPi)));
    const slope = shift(scale(cubic, 3), twoOverSqrtPi);
    return [mul(d, add(s, mul(mul(y, slope), oneMinus(s))))];
  });
}

/** GELU in its exact form, 0.5 x (1 + erf(x / sqrt 2)), as in LAION's CLIP and DINOv2. */
export function geluErf(x: Tensor): Tensor {
  const y = x.graph.node1("Gelu", [x], { dtype: x.dtype, shape: x.shape }, {}, "com.microsoft");
  return x.graph.record(y, [x], (d) => {
    const cdf = scale(shift(unary("Erf", scale(x, Math.SQRT1_2)), 1), 0.5);
    const pdf = scale(unary("Exp", scale(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return [mul(d, add(cdf, mul(x, pdf)))];
  });
}

/** x stretched to `shape` by NumPy broadcasting; a symbolic dimension of `shape` must be one that x has. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  broadcastShapes(x.shape, shape, "broadcastTo");
  const own = (i: number): Dim | undefined => x.shape[x.shape.length - shape.length + i];
  // Expand broadcasts both ways, so that 1 keeps what is there.
  const dims = x.graph.int64s(shape.map((dim, i) => (dim === own(i) ? 1 : knownDim(dim, "broadcastTo"))));
  const y = x.graph.node1("Expand", [x, dims], { dtype: x.dtype, shape });
  return x.graph.record(y, [x], (d) => [sumTo(d, x.shape)]);
}
