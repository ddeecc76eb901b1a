import { readdirSync } from "node:fs";

import { goldenBytes, goldenPath } from "./goldens.js";

/** A tensor of a golden file, widened to float32; int64 stays. */
export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

function widen(dtype: string, bytes: ArrayBuffer): Float32Array | BigInt64Array {
  switch (dtype) {
    case "F32": return new Float32Array(bytes);
    case "I64": return new BigInt64Array(bytes);
    case "F16": return Float32Array.from(new Uint16Array(bytes), float16);
    case "BF16": return new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits << 16).buffer);
    default: throw new Error(`golden tensors have no dtype ${dtype}`);
  }
}

/** All tensors of one safetensors file below test/goldens. Independent of @sightline/weights, so that it can be held against it. */
export function goldenTensors(name: string): Map<string, GoldenTensor> {
  const bytes = goldenBytes(name);
  const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength))) as Record<
    string, { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const start = 8 + headerLength;
  return new Map(
    Object.entries(header).filter(([key]) => key !== "__metadata__").map(([key, { dtype, shape, data_offsets: [from, to] }]) =>
      [key, { shape, data: widen(dtype, bytes.slice(start + from, start + to).buffer) }]),
  );
}

/** The weights of a golden model, from one file or from its shards. */
export function goldenWeights(model: string): Map<string, GoldenTensor> {
  const files = readdirSync(goldenPath(model)).filter((file) => /^model.*\.safetensors$/.test(file));
  return new Map(files.flatMap((file) => [...goldenTensors(`${model}/${file}`)]));
}
