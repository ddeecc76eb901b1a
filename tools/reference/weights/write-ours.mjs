// Writes ours.gguf and ours.safetensors with @sightline/weights, for check_ours.py to read with the reference packages.
// Run after `npm run build`, with the folder to write into.
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { writeGguf, writeSafetensors } from "@sightline/weights";

const folder = process.argv[2];
if (!folder) throw new Error("write-ours.mjs: expected the folder to write into");
await mkdir(folder, { recursive: true });

/** Halves and wholes, exact in every float type here. */
const values = (count) => Float32Array.from({ length: count }, (_, i) => (i - count / 2) / 2);
const floats = (dtype) => ({ name: dtype, dtype, shape: [3, 32], data: values(96) });
const ready = { name: "I8", dtype: "I8", shape: [5], data: Uint8Array.from([0, 1, 127, 128, 255]) };

await writeGguf(path.join(folder, "ours.gguf"), {
  alignment: 64,
  metadata: [
    ["general.architecture", { type: "string", value: "llama" }],
    ["t.uint8", { type: "uint8", value: 255 }],
    ["t.int8", { type: "int8", value: -128 }],
    ["t.uint16", { type: "uint16", value: 65535 }],
    ["t.int16", { type: "int16", value: -32768 }],
    ["t.uint32", { type: "uint32", value: 4294967295 }],
    ["t.int32", { type: "int32", value: -2147483648 }],
    ["t.uint64", { type: "uint64", value: 2n ** 64n - 1n }],
    ["t.int64", { type: "int64", value: -(2n ** 63n) }],
    ["t.float32", { type: "float32", value: 1.5 }],
    ["t.float64", { type: "float64", value: 0.1 }],
    ["t.bool", { type: "bool", value: true }],
    ["t.words", { type: "array", of: "string", value: ["a", "bé", "", "\ufeffmark", "🙂"] }],
    ["t.numbers", { type: "array", of: "int32", value: [1, -2, 3] }],
  ],
  tensors: [floats("F32"), floats("F16"), floats("BF16"), floats("Q8_0"), ready],
});
await writeSafetensors(path.join(folder, "ours.safetensors"), [ready, floats("F16"), floats("F32")], { made: "by sightline" });
