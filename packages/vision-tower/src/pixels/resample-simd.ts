import { axisTaps } from "./axis-taps.js";
import type { AxisTaps } from "./axis-taps.js";
import type { DecodedImage } from "./decode-image.js";
import type { ResampleFilter } from "./resample-filter.js";
import { resampleKernelBase64 } from "./resample-kernel-bytes.js";

/** What is used of WebAssembly, whose types come with a browser's and not with Node's. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** What kernels/resample.ts exports; addresses and lengths are bytes. */
interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  resampleFourRows(source: number, sourceStride: number, starts: number, coefficients: number, groups: number, out: number, outStride: number, outWidth: number): void;
  resampleOneColumnRow(source: number, stride: number, coefficients: number, pairs: number, out: number): void;
}

/** WebAssembly's memory grows and never shrinks, so an image that would need more is left to the plain version. */
const mostBytes = 32 * 2 ** 20;
const mostStripBytes = 16 * 2 ** 20;
const pageBytes = 2 ** 16;
/** Coefficients are split at this bit: c = 2048 * high + low. */
const lowBits = 11;

let opened: Kernel | null | undefined;

/** Compiled at the first use; null where the engine has no WebAssembly SIMD. */
function kernel(): Kernel | null {
  if (opened === undefined) {
    const bytes = Buffer.from(resampleKernelBase64, "base64");
    const runs = typeof WebAssembly === "object" && WebAssembly.validate(bytes);
    opened = runs ? (new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as Kernel) : null;
  }
  return opened;
}

/** Addresses in the kernel's memory, handed out one after the other. */
class Layout {
  bytes = 0;

  /** Room for `size` bytes, on a boundary of 16. */
  take(size: number): number {
    const at = this.bytes;
    this.bytes += (size + 15) & ~15;
    return at;
  }
}

/** The kernel's memory, grown to `bytes`. */
function memoryOf({ memory }: Kernel, bytes: number): ArrayBuffer {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / pageBytes));
  return memory.buffer;
}

/** Coefficients of one output position as the kernel reads them: low, low, high, high of every two taps. */
function splitCoefficients({ coefficients, stride, count }: AxisTaps, position: number, pairs: number, into: Int16Array, at: number): void {
  const from = position * stride;
  const taps = count[position]!;
  for (let k = 0; k < 2 * pairs; k++) {
    const coefficient = k < taps ? coefficients[from + k]! : 0;
    const slot = at + (k >> 1) * 4 + (k & 1);
    into[slot] = coefficient & ((1 << lowBits) - 1);
    into[slot + 2] = coefficient >> lowBits;
  }
}

/**
 * Pillow's resampling by the WebAssembly kernel, with the bits of `resamplePlain`.
 * @returns undefined where there is no WebAssembly SIMD or the image would need more than 32 MiB of its memory
 */
export function resampleSimd(image: DecodedImage, outWidth: number, outHeight: number, filter: ResampleFilter): DecodedImage | undefined {
  const simd = kernel();
  if (simd === null) return undefined;
  const vertical = image.height === outHeight ? undefined : axisTaps(image.height, outHeight, filter);
  const data =
    image.width === outWidth ? resampleHeight(simd, image, outHeight, vertical) : resampleWidth(simd, image, outWidth, outHeight, axisTaps(image.width, outWidth, filter), vertical);
  return data && { width: outWidth, height: outHeight, data };
}

/**
 * Width, and height where `vertical` is there. The image goes through the kernel's memory four rows at a time, so that
 * a large photo is read once and never copied whole; the narrower rows made of it stay there for the vertical pass.
 */
function resampleWidth(simd: Kernel, { width, height, data }: DecodedImage, outWidth: number, outHeight: number, horizontal: AxisTaps, vertical: AxisTaps | undefined): Uint8Array | undefined {
  // Rows that no output row reads are skipped; with a filter as wide as these there are none but at the edges.
  const firstRow = vertical?.first[0] ?? 0;
  const toRow = vertical === undefined ? height : vertical.first[outHeight - 1]! + vertical.count[outHeight - 1]!;
  const rows = toRow - firstRow;
  const rowBytes = width * 3;
  const outRowBytes = outWidth * 3;
  // One byte more than a row, because the kernel writes pixels as four bytes.
  const stride = (outRowBytes + 1 + 15) & ~15;
  const groups = Math.ceil(horizontal.stride / 4);

  const layout = new Layout();
  const stripe = layout.take(4 * rowBytes + groups * 12 + 16);
  const starts = layout.take(outWidth * 4);
  const rowCoefficients = layout.take(outWidth * groups * 16);
  const columnCoefficients = layout.take(columnCoefficientBytes(vertical));
  // Rows come in fours, and an odd number of taps reads one row more than it has.
  const narrowed = layout.take((Math.ceil(rows / 4) * 4 + 1) * stride);
  const result = layout.take(stride);
  if (layout.bytes > mostBytes) return undefined;
  const memory = memoryOf(simd, layout.bytes);
  const bytes = new Uint8Array(memory);

  const split = new Int16Array(memory, rowCoefficients, outWidth * groups * 8);
  for (let x = 0; x < outWidth; x++) splitCoefficients(horizontal, x, groups * 2, split, x * groups * 8);
  new Uint32Array(memory, starts, outWidth).set(horizontal.first.map((pixel) => pixel * 3));
  for (let row = 0; row < rows; row += 4) {
    bytes.set(data.subarray((firstRow + row) * rowBytes, (firstRow + Math.min(row + 4, rows)) * rowBytes), stripe);
    simd.resampleFourRows(stripe, rowBytes, starts, rowCoefficients, groups, narrowed + row * stride, stride, outWidth);
  }

  const out = new Uint8Array(outHeight * outRowBytes);
  for (let y = 0; y < outHeight; y++) {
    let from = narrowed + y * stride;
    if (vertical !== undefined) {
      resampleColumnRow(simd, vertical, y, narrowed - firstRow * stride, stride, columnCoefficients, result);
      from = result;
    }
    out.set(bytes.subarray(from, from + outRowBytes), y * outRowBytes);
  }
  return out;
}

/** Height alone, in strips of columns that fit the kernel's memory. */
function resampleHeight(simd: Kernel, { width, height, data }: DecodedImage, outHeight: number, vertical: AxisTaps | undefined): Uint8Array | undefined {
  if (vertical === undefined) return data;
  const rowBytes = width * 3;
  const stride = Math.min((rowBytes + 15) & ~15, Math.floor(mostStripBytes / (height + 1)) & ~15);
  if (stride === 0) return undefined;
  const layout = new Layout();
  const columnCoefficients = layout.take(columnCoefficientBytes(vertical));
  const strip = layout.take((height + 1) * stride);
  const result = layout.take(stride);
  if (layout.bytes > mostBytes) return undefined;
  const bytes = new Uint8Array(memoryOf(simd, layout.bytes));

  const out = new Uint8Array(outHeight * rowBytes);
  for (let x = 0; x < rowBytes; x += stride) {
    const length = Math.min(stride, rowBytes - x);
    for (let row = 0; row < height; row++) {
      const at = row * rowBytes + x;
      bytes.set(data.subarray(at, at + length), strip + row * stride);
    }
    for (let y = 0; y < outHeight; y++) {
      resampleColumnRow(simd, vertical, y, strip, stride, columnCoefficients, result);
      out.set(bytes.subarray(result, result + length), y * rowBytes + x);
    }
  }
  return out;
}

function columnCoefficientBytes(vertical: AxisTaps | undefined): number {
  return vertical === undefined ? 0 : Math.ceil(vertical.stride / 2) * 8;
}

/** Output row `y` at `result`, of rows of which the image's first would lie at `rows`. */
function resampleColumnRow(simd: Kernel, vertical: AxisTaps, y: number, rows: number, stride: number, coefficients: number, result: number): void {
  const pairs = Math.ceil(vertical.count[y]! / 2);
  splitCoefficients(vertical, y, pairs, new Int16Array(simd.memory.buffer, coefficients, pairs * 4), 0);
  simd.resampleOneColumnRow(rows + vertical.first[y]! * stride, stride, coefficients, pairs, result);
}
