import type { Dim } from "../shape.js";
import type { DeferredBytes, Tensor } from "../tensor.js";
import { quantizeWeight, type Int8Weight } from "./quantize-weight.js";

/** The matrix of a linear layer as a float32 graph has it, read when a session opens. */
export interface LinearWeight {
  readonly name: string;
  readonly outWidth: number;
  readonly inWidth: number;
  /** float32[out, in] */
  read(): Promise<Float32Array>;
}

/** The input of a layer, its outlier channels apart. */
export interface SplitChannels {
  /** float32[rows, in], where outliers are 0 */
  readonly small: Tensor;
  /** float32[rows, outliers] */
  readonly large: Tensor | undefined;
  /** The channels of `large`, ascending. */
  readonly outliers: readonly number[];
}

/**
 * @param x float32[rows, in]
 * @param name of the new weight
 */
export function splitChannels(x: Tensor, outliers: readonly number[], name: string): SplitChannels {
  if (outliers.length === 0) return { small: x, large: undefined, outliers };
  const { graph } = x;
  const [rows, width] = x.shape as [Dim, number];
  const kept = new Float32Array(width).fill(1);
  for (const channel of outliers) kept[channel] = 0;
  return {
    small: graph.node1("Mul", [x, graph.weight(name, "float32", [width], kept)], { shape: x.shape }),
    large: graph.node1("Gather", [x, graph.int64s(outliers)], { shape: [rows, outliers.length] }, { axis: 1 }),
    outliers,
  };
}

/**
 * x Wᵀ + b with x quantised to uint8 over its whole range at every run, and W to int8 beforehand (ONNX Runtime's
 * DynamicQuantizeMatMul). `outliers` are input channels too large to share that range: they are left out of the int8
 * product and added by a float32 product of their own, as LLM.int8() does (Dettmers et al. 2022, section 3.2).
 * @param bias float32[out]
 * @returns float32[rows, out]
 */
export function int8Linear({ small, large, outliers }: SplitChannels, weight: LinearWeight, bias: Tensor | undefined): Tensor {
  const { graph } = small;
  const { name, inWidth, outWidth } = weight;
  const shape = [small.shape[0] ?? 0, outWidth];
  const { values, scales } = deferredInt8(weight, outliers);
  const product = graph.node1(
    "DynamicQuantizeMatMul",
    [
      small,
      graph.weight(`${name}.int8`, "int8", [inWidth, outWidth], values),
      graph.weight(`${name}.scale`, "float32", [outWidth], scales),
      undefined,
      ...(bias ? [bias] : []),
    ],
    { shape },
    {},
    "com.microsoft",
  );
  if (!large) return product;
  const kept = graph.weight(`${name}.outliers`, "float32", [outWidth, outliers.length], outlierColumns(weight, outliers));
  return graph.node1("Gemm", [large, kept, product], { shape }, { transB: 1 });
}


/** Both halves of a quantised matrix, from one reading of it; neither is kept once both were taken. */
function deferredInt8(weight: LinearWeight, outliers: readonly number[]): { values: DeferredBytes; scales: DeferredBytes } {
  const { inWidth, outWidth } = weight;
  let quantized: Promise<Int8Weight> | undefined;
  const take = async (): Promise<Int8Weight> => {
    if (quantized) {
      const other = quantized;
      quantized = undefined;
      return other;
    }
    quantized = weight.read().then((rows) => quantizeWeight(withoutColumns(rows, inWidth, outliers), outWidth, inWidth));
    return quantized;
  };
  return {
    values: { byteLength: inWidth * outWidth, read: async () => (await take()).values },
    scales: { byteLength: outWidth * 4, read: async () => (await take()).scales },
  };
}

function withoutColumns(rows: Float32Array, inWidth: number, columns: readonly number[]): Float32Array {
  if (columns.length === 0) return rows;
  const result = rows.slice();
  for (let row = 0; row < result.length; row += inWidth) for (const column of columns) result[row + column] = 0;
  return result;
}

function outlierColumns(weight: LinearWeight, outliers: readonly number[]): DeferredBytes {
  const { inWidth, outWidth } = weight;
  return {
    byteLength: outWidth * outliers.length * 4,
    read: async () => {
      const rows = await weight.read();
      const columns = new Float32Array(outWidth * outliers.length);
      for (let out = 0, at = 0; out < outWidth; out++) for (const channel of outliers) columns[at++] = rows[out * inWidth + channel] as number;
      return columns;
    },
  };
}
