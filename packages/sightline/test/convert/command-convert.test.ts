import { mkdtemp, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { loadSiglip } from "@sightline/vision-tower";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { miniFolder, run, temporaryFolder } from "../command.js";

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

const at = (name: string): string => path.join(folder, name);

describe("sightline convert", () => {
  it("writes ONNX in every type, which run here and tag as the checkpoint does", async () => {
    const { code, stdout } = await run(["convert", "mini", "--to", "onnx", "--out", at("onnx"), "--type", "float32,float16,int8", "--json"]);
    expect(code).toBe(0);
    const { format, files } = JSON.parse(stdout) as { format: string; files: string[] };
    expect(format).toBe("onnx");
    expect(files).toEqual(expect.arrayContaining(["onnx/vision_model.onnx", "onnx/vision_model_fp16.onnx", "onnx/vision_model_int8.onnx", "onnx/text_model_int8.onnx", "onnx/model_int8.onnx", "config.json", "tokenizer.json"]));
    const scene = path.join(miniFolder, "../../examples/scene.png");
    const labels = ["airplane", "zebra"];
    await using exact = await loadSiglip(path.join(miniFolder, "siglip"));
    const want = (await exact.tag(scene, labels)).tags;
    for (const variant of ["fp32", "fp16", "int8"] as const) {
      await using siglip = await loadSiglip(at("onnx"), { variant });
      const got = (await siglip.tag(scene, labels)).tags;
      expect(got.map(({ label }) => label)).toEqual(want.map(({ label }) => label));
      got.forEach(({ probability }, i) => expect(probability).toBeCloseTo(want[i]?.probability as number, variant === "int8" ? 1 : 2));
    }
  });

  it("takes the format from the ending of --out", async () => {
    const { code, stdout } = await run(["convert", "mini", "--out", at("mini.safetensors")]);
    expect([code, stdout]).toEqual([0, `${at("mini.safetensors")}: written from mini\n`]);
    expect((await run(["convert", at("mini.safetensors"), "--out", at("mini.gguf")])).code).toBe(0);
  });

  it.each([
    [["mini", "--out", "model"], /--to: expected onnx, mmproj, safetensors/],
    [["mini", "--to", "onnx", "--out", "x", "--type", "int4"], /--type: expected float32, float16 or int8.*"int4"/],
    [["mini", "--out", "x.gguf", "--type", "q4_0"], /--type: expected F32, F16 or Q8_0, got "q4_0"/],
    [["mini", "--to", "onnx", "--out", "x", "--projector", "p"], /--projector: is for --to mmproj, not for onnx/],
    [["mini", "--to", "mmproj", "--out", "x"], /--out: expected F.gguf for an mmproj/],
    [["mini", "--out", "x.gguf", "--feature-layer", "0"], /expected a block from 1, or back from -1, or "normed"/],
  ])("%j is wrong usage", async (args, message) => {
    const { code, stderr } = await run(["convert", ...args]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });

  it("fails with one line for what it cannot do, and writes nothing", async () => {
    const into = await mkdtemp(at("empty-"));
    for (const [args, message] of [
      [[at("nowhere"), "--out", path.join(into, "a.gguf")], /^sightline: .*nowhere.*\n$/],
      [[miniFolder, "--to", "onnx", "--out", path.join(into, "onnx")], /^sightline: .*config.json: no such file.*\n$/],
      [["mini", "--out", path.join(into, "b.gguf")], /^sightline: .*needs a projector too.*\n$/],
    ] as const) {
      const { code, stderr } = await run(["convert", ...args]);
      expect(stderr).toMatch(message);
      expect(code).toBe(1);
    }
    expect(await readdir(into)).toEqual([]);
  });
});
