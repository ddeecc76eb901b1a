import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openWeights } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convertToMmproj, convertToSafetensors } from "../../src/index.js";
import { miniFolder } from "../command.js";
import { writeSeededMmproj } from "../seeded-mmproj.js";
import { writeSeededCheckpoint } from "./seeded-checkpoint.js";

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "to-safetensors-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

const fresh = (ending = ""): string => path.join(folder, `${files++}${ending}`);
const mini = path.join(miniFolder, "mmproj-mini.gguf");

/** The mmproj's bytes after a way through safetensors. */
async function roundTrip(mmproj: string, stored: string): Promise<Buffer> {
  const out = fresh(".gguf");
  await convertToSafetensors(mmproj, { out: stored });
  await convertToMmproj(stored, { out });
  return readFile(out);
}

describe("an mmproj, written as safetensors and back, is the same file", () => {
  it.each(["file", "folder"])("mini, as a %s", async (kind) => {
    expect((await roundTrip("mini", fresh(kind === "file" ? ".safetensors" : ""))).equals(await readFile(mini))).toBe(true);
  });

  it.each(["gemma3", "idefics3", "linear", "mlp", "onevision", "lfm2"] as const)("of the family %s", async (family) => {
    const file = fresh(".gguf");
    await writeSeededMmproj(file, family);
    expect((await roundTrip(file, fresh(".safetensors"))).equals(await readFile(file))).toBe(true);
  });

  it.each(["F32", "F16", "Q8_0"] as const)("made of a checkpoint in %s", async (type) => {
    const file = fresh(".gguf");
    await convertToMmproj(await writeSeededCheckpoint(fresh(), "gemma3"), { out: file, type });
    expect((await roundTrip(file, fresh(".safetensors"))).equals(await readFile(file))).toBe(true);
  });
});

describe("an mmproj in another type", () => {
  it.each(["F16", "Q8_0"] as const)("%s is the file that the checkpoint gives in it, whether from GGUF or safetensors", async (type) => {
    const directory = await writeSeededCheckpoint(fresh(), "idefics3");
    const [whole, stored, wanted] = [fresh(".gguf"), fresh(".safetensors"), fresh(".gguf")];
    await convertToMmproj(directory, { out: whole, type: "F32" });
    await convertToSafetensors(whole, { out: stored });
    await convertToMmproj(directory, { out: wanted, type });
    for (const source of [whole, stored]) {
      const out = fresh(".gguf");
      await convertToMmproj(source, { out, type });
      expect((await readFile(out)).equals(await readFile(wanted))).toBe(true);
    }
  });

  it("is made of no decoder", async () => {
    await expect(convertToMmproj(path.join(miniFolder, "mini-qwen3.gguf"), { out: fresh(".gguf") })).rejects.toThrow(/expected a Hugging Face checkpoint or an mmproj, got a language model/);
  });
});

describe("convertToSafetensors", () => {
  it("gives a checkpoint's weights back, by their names and to the last bit", async () => {
    const directory = await writeSeededCheckpoint(fresh(), "idefics3");
    const [file, stored] = [fresh(".gguf"), fresh(".safetensors")];
    await convertToMmproj(directory, { out: file, type: "F32" });
    await convertToSafetensors(file, { out: stored });
    await using before = await openWeights(directory);
    await using after = await openWeights(stored);
    expect(after.tensors.size).toBe(before.tensors.size);
    for (const name of after.tensors.keys()) {
      const original = name === "mm.model.fc.weight" ? "model.connector.modality_projection.proj.weight" : `model.${name}`;
      expect(await after.readFloat32(name), name).toEqual(await before.readFloat32(original));
    }
  });

  it("makes a folder that is a SigLIP vision tower to transformers", async () => {
    const out = fresh();
    await convertToSafetensors("mini", { out });
    const config = JSON.parse(await readFile(path.join(out, "config.json"), "utf8")) as object;
    expect(config).toMatchObject({ model_type: "siglip_vision_model", hidden_size: 256, num_hidden_layers: 6, image_size: 128, patch_size: 16, layer_norm_eps: 1e-6 });
    await using tower = await openWeights(out);
    await using siglip = await openWeights(path.join(miniFolder, "siglip"));
    // F16 in both files, so nothing is lost.
    const name = "vision_model.encoder.layers.5.mlp.fc1.weight";
    expect(await tower.readFloat32(name)).toEqual(await siglip.readFloat32(name));
  });

  it("refuses other files than an mmproj, and folders that it did not write", async () => {
    await expect(convertToSafetensors(path.join(miniFolder, "mini-qwen3.gguf"), { out: fresh(".safetensors") })).rejects.toThrow(/expected an mmproj GGUF, got a language model/);
    const mine = await mkdtemp(path.join(folder, "mine-"));
    await writeFile(path.join(mine, "diary.txt"), "dear");
    await expect(convertToSafetensors("mini", { out: mine })).rejects.toThrow(/is there already and not empty/);
    await expect(convertToSafetensors("mini", { out: mine, overwrite: true })).rejects.toThrow(/holds no config.json, so it is no model/);
    expect(await readdir(mine)).toEqual(["diary.txt"]);
  });

  it("says that what it needs is damaged, where somebody changed it", async () => {
    const stored = fresh(".safetensors");
    await convertToSafetensors("mini", { out: stored });
    const bytes = await readFile(stored);
    const at = bytes.indexOf("clip.projector_type");
    bytes.write("\\\\", at - 3);
    await writeFile(stored, bytes);
    await expect(convertToMmproj(stored, { out: fresh(".gguf") })).rejects.toThrow();
    expect((await readdir(folder)).filter((name) => name.includes("partial"))).toEqual([]);
  });
});
