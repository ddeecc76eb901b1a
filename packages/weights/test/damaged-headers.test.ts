import { execFileSync } from "node:child_process";
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWeights, WeightsError, type WeightSource } from "../src/index.js";
import { ggufBytes, ggufString, safetensorsBytes, tensorEntry, uint32, uint64 } from "./crafted-files.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "weights-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function openBytes(bytes: Uint8Array, sparseSize?: number): Promise<WeightSource> {
  const file = path.join(folder, "crafted");
  await writeFile(file, bytes);
  if (sparseSize !== undefined) await truncate(file, sparseSize);
  return openWeights(file);
}

/** What the WeightsError says that opening these bytes must end with. */
async function refusal(bytes: Uint8Array, sparseSize?: number): Promise<string> {
  const outcome = await openBytes(bytes, sparseSize).catch((error: unknown) => error);
  if (outcome instanceof WeightsError) return outcome.message;
  throw new Error("expected a WeightsError", { cause: outcome });
}

const text = 8;
const array = 9;
const key = (name: string, type: number, ...value: Buffer[]): Buffer => Buffer.concat([ggufString(name), uint32(type), ...value]);

describe("a GGUF header that cannot be right", () => {
  const f32 = (name: string, ne: bigint[], offset = 0n): Buffer => tensorEntry(name, ne, 0, offset);

  it("has more tensors or values than the file has room for", async () => {
    expect(await refusal(ggufBytes({ tensorCount: 2n ** 63n }))).toMatch("states 9223372036854775808 tensors, but only");
    expect(await refusal(ggufBytes({ valueCount: 1000n }))).toMatch("states 1000 metadata values, but only");
  });

  it.each(["tensors", "metadata values"])("states a billion %s in a file with room for them, and is refused at once", async (what) => {
    const counts = what === "tensors" ? { tensorCount: 10n ** 9n } : { valueCount: 10n ** 9n };
    expect(await refusal(ggufBytes(counts), 2 ** 40)).toMatch(`states 1000000000 ${what}, expected at most`);
  });

  it("states a string or an array of gigabytes, and is refused before it is read", async () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(await refusal(ggufBytes({ valueCount: 1n, body: [uint64(2n ** 32n)] }), 2 ** 36)).toMatch("states 4294967296 bytes of a metadata key, expected at most 65535");
    expect(await refusal(ggufBytes({ valueCount: 1n, body: [key("k", text, uint64(2n ** 32n))] }), 2 ** 36)).toMatch('states 4294967296 bytes of "k", expected at most');
    expect(await refusal(ggufBytes({ valueCount: 1n, body: [key("k", array, uint32(0), uint64(2n ** 32n))] }), 2 ** 36)).toMatch('states 4294967296 elements of "k", expected at most');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 2 ** 20);
  });

  it("spreads too many elements over several arrays", async () => {
    const million = (name: string): Buffer => key(name, array, uint32(0), uint64(2n ** 22n), Buffer.alloc(2 ** 22));
    expect(await refusal(ggufBytes({ valueCount: 3n, body: [million("a"), million("b"), million("c")] }))).toMatch('elements of "c", expected at most 0');
  });

  it("nests arrays without end", async () => {
    const nested = Array.from({ length: 50 }, () => Buffer.concat([uint32(array), uint64(1n)]));
    expect(await refusal(ggufBytes({ valueCount: 1n, body: [key("k", array, ...nested)], dataBytes: 64 }))).toMatch('"k" nests arrays deeper than 4');
  });

  it("has a value of an unknown type, or a boolean that is neither", async () => {
    expect(await refusal(ggufBytes({ valueCount: 1n, body: [key("k", 13)] }))).toMatch('"k" has the unknown metadata type 13');
    expect(await refusal(ggufBytes({ valueCount: 1n, body: [key("k", 7, Buffer.from([2]))] }))).toMatch('"k" is the boolean 2, expected 0 or 1');
  });

  it("repeats a key or a tensor", async () => {
    const value = key("k", 0, Buffer.from([1]));
    expect(await refusal(ggufBytes({ valueCount: 2n, body: [value, value] }))).toMatch('the metadata key "k" comes twice');
    expect(await refusal(ggufBytes({ tensorCount: 2n, body: [f32("x", [4n]), f32("x", [4n], 32n)], dataBytes: 64 }))).toMatch('the tensor "x" comes twice');
  });

  it("has a tensor that is not where it can be", async () => {
    expect(await refusal(ggufBytes({ tensorCount: 1n, body: [f32("x", [4n], 8n)], dataBytes: 64 }))).toMatch('"x" starts at 8, expected a multiple of 32');
    expect(await refusal(ggufBytes({ tensorCount: 1n, body: [f32("x", [4n], 2n ** 64n - 32n)], dataBytes: 64 }))).toMatch(/"x" ends at byte \d+, the file at \d+/);
    expect(await refusal(ggufBytes({ tensorCount: 2n, body: [f32("x", [16n]), f32("y", [4n], 32n)], dataBytes: 96 }))).toMatch(/"y" starts at \d+, inside "x", which ends at/);
  });

  it("has a tensor whose size overflows 64 bits", async () => {
    expect(await refusal(ggufBytes({ tensorCount: 1n, body: [f32("x", [2n ** 32n, 2n ** 32n])], dataBytes: 64 }))).toMatch(/"x" ends at byte 73786976294838206\d+, the file at/);
    expect(await refusal(ggufBytes({ tensorCount: 1n, body: [f32("x", [2n ** 63n, 0n])], dataBytes: 64 }))).toMatch('"x": F32 cannot have the shape [0, 9223372036854775808]');
  });

  it("has rows that are no whole blocks, an unknown type, too many dimensions", async () => {
    expect(await refusal(ggufBytes({ tensorCount: 1n, body: [tensorEntry("x", [33n], 8, 0n)], dataBytes: 64 }))).toMatch('"x": Q8_0 cannot have the shape [33]');
    expect(await refusal(ggufBytes({ tensorCount: 1n, body: [tensorEntry("x", [32n], 5, 0n)], dataBytes: 64 }))).toMatch('"x" has the unknown ggml type 5');
    expect(await refusal(ggufBytes({ tensorCount: 1n, body: [f32("x", [1n, 1n, 1n, 1n, 1n])], dataBytes: 64 }))).toMatch('"x" has 5 dimensions, expected at most 4');
  });

  it.each([0, 12, 2 ** 31])("has an alignment of %d", async (alignment) => {
    expect(await refusal(ggufBytes({ valueCount: 1n, body: [key("general.alignment", 4, uint32(alignment))] }))).toMatch(`general.alignment is "${alignment}", expected a multiple of 8`);
  });

  it("is of version 1, of a later version, or for big-endian machines", async () => {
    expect(await refusal(ggufBytes({ version: 1 }))).toMatch("GGUF version 1, expected 2 or 3");
    expect(await refusal(ggufBytes({ version: 4 }))).toMatch("GGUF version 4, expected 2 or 3");
    expect(await refusal(ggufBytes({ version: 0x03000000 }))).toMatch("GGUF version for big-endian machines");
  });

  it("has a name with line ends: the error stays one short line", async () => {
    const name = `a\nb${"x".repeat(5000)}`;
    const error = await openBytes(ggufBytes({ tensorCount: 1n, body: [f32(name, [4n], 8n)], dataBytes: 64 })).catch((thrown: unknown) => thrown as Error);
    expect((error as Error).message).toContain('"a\\nbxxx');
    expect((error as Error).message).not.toContain("\n");
    expect((error as Error).message.length).toBeLessThan(400);
  });
});

it("reads GGUF version 2, and an alignment of its own", async () => {
  const body = [key("general.alignment", 4, uint32(64)), tensorEntry("x", [2n], 0, 0n), tensorEntry("y", [1n], 0, 64n)];
  const header = ggufBytes({ version: 2, tensorCount: 2n, valueCount: 1n, body });
  const bytes = new Uint8Array(Math.ceil(header.length / 64) * 64 + 68);
  bytes.set(header);
  new DataView(bytes.buffer).setFloat32(bytes.length - 4, 2.5, true);
  await using source = await openBytes(bytes);
  expect(source.tensors.get("y")).toMatchObject({ byteOffset: bytes.length - 4, byteLength: 4, shape: [1] });
  expect(await source.readFloat32("y")).toEqual(new Float32Array([2.5]));
});

describe("a safetensors header that cannot be right", () => {
  const entry = (shape: string, begin: number, end: number, dtype = "F32"): string => `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;
  const x = entry("[2]", 0, 8);

  it.each([
    ["a header longer than the file", Buffer.concat([uint64(2n ** 63n), Buffer.alloc(20)]), "states a header of 9223372036854775808 bytes"],
    ["no header", Buffer.alloc(0), "starts with 8 bytes of header length, this one has 0 bytes in all"],
    ["half a header", safetensorsBytes(`{"x":{"dtype":"F32"`, 8), 'its JSON ends inside "x", after 19 bytes'],
    ["another form", safetensorsBytes("[1,2]", 8), 'expected "{" in the header, got "[" at byte 0'],
    ["something behind it", safetensorsBytes(`{"x":${x}} 1`, 8), "expected its end in the header"],
    ["bytes that are no UTF-8", safetensorsBytes("{}", 0).map((byte, i) => (i === 9 ? 0xff : byte)), 'got "ÿ" at byte 1'],
    ["a tensor twice", safetensorsBytes(`{"x":${x},"x":${x}}`, 8), '"x" comes twice in the header'],
    ["a dtype twice", safetensorsBytes(`{"x":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}`, 8), '"dtype" comes twice in "x"'],
    ["no shape", safetensorsBytes(`{"x":{"dtype":"F32","data_offsets":[0,8]}}`, 8), '"x" needs dtype, shape and two data_offsets'],
    ["an unknown dtype", safetensorsBytes(`{"x":${entry("[2]", 0, 8, "F31")}}`, 8), '"x" has the unknown dtype "F31"'],
    ["a GGUF dtype", safetensorsBytes(`{"x":${entry("[32]", 0, 34, "Q8_0")}}`, 34), '"x" has the unknown dtype "Q8_0"'],
    ["a negative dimension", safetensorsBytes(`{"x":${entry("[-2]", 0, 8)}}`, 8), 'expected a whole number from 0 to 2^53 - 1 in the shape of "x", got "-2"'],
    ["a fraction", safetensorsBytes(`{"x":${entry("[2.5]", 0, 8)}}`, 8), 'the shape of "x", got "2.5"'],
    ["a dimension beyond 2^53", safetensorsBytes(`{"x":${entry("[9007199254740993]", 0, 8)}}`, 8), 'the shape of "x", got "9007199254740993"'],
    ["a size that overflows", safetensorsBytes(`{"x":${entry("[4294967296,4294967296]", 0, 0)}}`, 0), "needs 73786976294838206464 bytes, its data_offsets 0 to 0 hold 0"],
    ["offsets that end before they begin", safetensorsBytes(`{"x":${entry("[2]", 8, 0)}}`, 8), "needs 8 bytes, its data_offsets 8 to 0 hold -8"],
    ["17 dimensions", safetensorsBytes(`{"x":${entry(`[${Array.from({ length: 17 }, () => 1).join()}]`, 0, 4)}}`, 4), "has more than 16 numbers"],
    ["overlapping tensors", safetensorsBytes(`{"x":${x},"y":${entry("[2]", 4, 12)}}`, 12), "it overlaps another tensor"],
    ["a gap", safetensorsBytes(`{"x":${x},"y":${entry("[2]", 16, 24)}}`, 24), "a gap"],
    ["tensors beyond the end", safetensorsBytes(`{"x":${x}}`, 7), /"x" ends at byte \d+, the file at \d+: it is truncated/],
    ["bytes behind the tensors", safetensorsBytes(`{"x":${x}}`, 9), "extra bytes"],
    ["metadata that is no text", safetensorsBytes(`{"__metadata__":{"k":1},"x":${x}}`, 8), 'in __metadata__ "k", got "1"'],
  ] as const)("%s", async (_, bytes, message) => {
    expect(await refusal(bytes)).toMatch(message);
  });

  it("a million brackets where a shape should be, or in a field that nobody reads", async () => {
    const deep = "[".repeat(500_000) + "]".repeat(500_000);
    expect(await refusal(safetensorsBytes(`{"x":{"dtype":"F32","shape":${deep},"data_offsets":[0,8]}}`, 8))).toMatch('in the shape of "x", got ""');
    expect(await refusal(safetensorsBytes(`{"x":{"more":${deep},"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8))).toMatch('"x" is nested deeper than 16');
  });

  it("reads past fields that it does not know, escapes and spaces", async () => {
    const header = `\n{ "a\\u00e9\\n" : {"note":{"by":["me",1.5e3,null,{}]}, "dtype":"F32","shape":[ 2 ],\t"data_offsets":[0,8] } }  `;
    await using source = await openBytes(safetensorsBytes(header, 8));
    expect(source.tensors.get("aé\n")).toMatchObject({ dtype: "F32", shape: [2], byteLength: 8 });
  });

  it("whatever its numbers: refused, or tensors that lie in the file without overlap", async () => {
    const extreme = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300, -1, 0.5));
    const tensor = fc.record({ dtype: fc.constantFrom("F32", "U8", "F16", "I64"), shape: fc.array(extreme, { maxLength: 3 }), data_offsets: fc.tuple(extreme, extreme) });
    let opened = 0;
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom("a", "b", "__proto__"), tensor, { maxKeys: 2 }), fc.nat(20), async (header, dataBytes) => {
        const bytes = safetensorsBytes(JSON.stringify(header), dataBytes);
        try {
          await using source = await openBytes(bytes);
          const covered = [...source.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
          expect(covered).toBe(dataBytes);
          opened++;
        } catch (error) {
          expect(error).toBeInstanceOf(WeightsError);
        }
      }),
      { numRuns: 1500, seed: 3 },
    );
    expect(opened).toBeGreaterThan(0);
  });
});

describe("what is no weight file", () => {
  it.skipIf(process.platform === "win32")("a named pipe is refused, not waited for", async () => {
    const pipe = path.join(folder, "pipe.gguf");
    execFileSync("mkfifo", [pipe]);
    await expect(openWeights(pipe)).rejects.toThrow("pipe.gguf: expected a file, got a special file");
  });

  it("an empty directory, a directory called like a file", async () => {
    await expect(openWeights(folder)).rejects.toThrow("holds none of model.safetensors, model.safetensors.index.json, open_clip_model.safetensors");
  });

  it.skipIf(process.platform !== "linux")("leaves no file open behind it", async () => {
    const { readdir } = await import("node:fs/promises");
    const before = (await readdir("/proc/self/fd")).length;
    for (let i = 0; i < 20; i++) expect(await refusal(ggufBytes({ version: 1 }))).toMatch("version 1");
    expect((await readdir("/proc/self/fd")).length).toBeLessThanOrEqual(before + 1);
  });

  it("a file that shrinks after it was opened: the read says so", async () => {
    await using source = await openBytes(safetensorsBytes(`{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8));
    const file = await open(source.path, "r+");
    await file.truncate(20);
    await file.close();
    await expect(source.readFloat32("x")).rejects.toThrow(/"x": ended at byte \d+ .* it has become shorter/);
  });
});
