import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { decodeImage } from "@sightline/vision-tower";
import { openGguf, openWeights, readGgufMetadata, writeSafetensors } from "@sightline/weights";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convertToMmproj, convertToSafetensors, findModelFiles, loadVisionChat, openImageEncoder, type MmprojType } from "../../src/index.js";
import { golden, miniFolder } from "../command.js";
import { writeSeededCheckpoint, type SeededCheckpoint, type SeededModel } from "./seeded-checkpoint.js";

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "to-mmproj-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

const fresh = (ending = ""): string => path.join(folder, `${files++}${ending}`);
const checkpoint = (model: SeededModel, options?: SeededCheckpoint): Promise<string> => writeSeededCheckpoint(fresh(), model, options);
const miniProjector = path.join(miniFolder, "mmproj-mini.gguf");

async function converted(model: string, options: Omit<Parameters<typeof convertToMmproj>[1], "out"> = {}): Promise<string> {
  const out = fresh(".gguf");
  await convertToMmproj(model, { out, ...options });
  return out;
}

interface Described {
  readonly metadata: Readonly<Record<string, readonly [types: readonly string[], value: unknown]>>;
  readonly tensors: Readonly<Record<string, readonly [type: string, shape: readonly number[], sha256: string]>>;
}

/** What tools/reference/convert/goldens.py says of llama.cpp's file, said of ours. */
async function described(file: string): Promise<Described> {
  await using source = await openGguf(file);
  const tensors: Record<string, readonly [string, readonly number[], string]> = {};
  for (const { name, dtype, shape } of source.tensors.values()) tensors[name] = [dtype, shape, createHash("sha256").update(await source.readBytes(name)).digest("hex")];
  const metadata: Record<string, readonly [readonly string[], unknown]> = {};
  for (const [key, value] of await readGgufMetadata(file)) {
    if (key !== "general.name") metadata[key] = [value.type === "array" ? ["ARRAY", value.of.toUpperCase()] : [value.type.toUpperCase()], value.value];
  }
  return { metadata, tensors };
}

function reference(name: string): Readonly<Record<string, Described>> {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../goldens/convert/${name}.json`, import.meta.url)), "utf8")) as Record<string, Described>;
}

describe("what llama.cpp's converter writes, convertToMmproj writes: every key, name, type, shape and byte of a tensor", () => {
  it.each([
    ["gemma3", "F32"],
    ["gemma3", "F16"],
    ["gemma3", "Q8_0"],
    ["idefics3", "F32"],
    ["idefics3", "F16"],
    ["idefics3", "Q8_0"],
  ] as const)("%s, %s", async (model, type) => {
    expect(await described(await converted(await checkpoint(model), { type }))).toEqual(reference(model)[type.toLowerCase()]);
  });

  it("gemma3 of a bfloat16 checkpoint, F16", async () => {
    expect(await described(await converted(await checkpoint("gemma3", { dtype: "BF16" })))).toEqual(reference("gemma3-bf16")["f16"]);
  });

  it("LLaVA with SigLIP, as the older script for it, less what that gets wrong", async () => {
    const ours = await described(await converted(await checkpoint("llava")));
    const theirs = reference("llava")["f16"] as Described;
    // It names the MLP's layers the other way round, and stores positions as F16.
    const renamed = Object.entries(theirs.tensors).map(([name, tensor]) => [name.replace(/ffn_(up|down)/, (_, part) => (part === "up" ? "ffn_down" : "ffn_up")), tensor] as const);
    const positions = "v.position_embd.weight";
    const { [positions]: ourPositions, ...tensors } = ours.tensors;
    const { [positions]: theirPositions, ...wanted } = Object.fromEntries(renamed);
    expect(tensors).toEqual(wanted);
    expect([ourPositions?.[0], ourPositions?.[1]]).toEqual(["F32", theirPositions?.[1]]);
    for (const key of ["block_count", "feature_layer", "image_size", "patch_size", "embedding_length", "feed_forward_length", "attention.head_count", "attention.layer_norm_epsilon", "image_mean", "image_std"]) {
      expect(ours.metadata[`clip.vision.${key}`], key).toEqual(theirs.metadata[`clip.vision.${key}`]);
    }
    // It knows "gelu" alone, and says of SigLIP's tanh form that it is none.
    expect([ours.metadata["clip.use_gelu"], theirs.metadata["clip.use_gelu"]]).toEqual([[["BOOL"], true], [["BOOL"], false]]);
  });
});

/** All rows of a picture as the model shows it. */
async function rowsOf(model: string): Promise<Float32Array> {
  await using encoder = await openImageEncoder(model, { threads: 1 });
  const image = await decodeImage(golden("photo.jpg"));
  const { pictures } = await encoder.encode([{ image, plan: encoder.plan(image) }]);
  return Float32Array.from((pictures[0] ?? []).flatMap((part) => (part.type === "rows" ? [...part.embeddings] : [])));
}

/** The largest difference of two models' rows, as a share of their largest value. */
async function rowsApart(a: string, b: string): Promise<number> {
  const [rows, others] = [await rowsOf(a), await rowsOf(b)];
  expect(rows.length).toBe(others.length);
  expect(rows.length).toBeGreaterThan(0);
  const largest = rows.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return rows.reduce((most, value, i) => Math.max(most, Math.abs(value - (others[i] as number))), 0) / largest;
}

describe("rows of a converted model are the checkpoint's", () => {
  it.each([
    ["idefics3", 1e-6],
    ["paligemma", 1e-6],
    // Its matrix is stored as F16 in every file.
    ["gemma3", 1e-3],
    // These want the erf GELU, which the file says for readers here; llama.cpp runs the tanh form.
    ["llava", 1e-6],
    ["llava-onevision", 1e-6],
  ] as const)("%s in F32, within %f of the largest value", async (model, tolerance) => {
    const directory = await checkpoint(model);
    expect(await rowsApart(directory, await converted(directory, { type: "F32" }))).toBeLessThan(tolerance);
  });

  it.each([["F16", 5e-3], ["Q8_0", 5e-2]] as const)("idefics3 in %s, within %f", async (type: MmprojType, tolerance) => {
    const directory = await checkpoint("idefics3");
    const apart = await rowsApart(directory, await converted(directory, { type }));
    expect(apart).toBeLessThan(tolerance);
    expect(apart).toBeGreaterThan(0);
  });

  it("a layer that is counted from the front is the same one", async () => {
    const [back, front] = await Promise.all([-2, 2].map(async (layer) => converted(await checkpoint("llava", { config: { vision_feature_layer: layer } }))));
    expect(await described(front as string)).toEqual(await described(back as string));
  });
});

describe("a chat", () => {
  const ask = async (mmproj: string): Promise<string> => {
    await using chat = await loadVisionChat({ mmproj, decoder: (await findModelFiles("mini")).decoder }, { threads: 1 });
    const image = { type: "image" as const, image: golden("photo.jpg") };
    return (await chat.stream({ messages: [{ role: "user", content: [image, { type: "text", text: "What do you see?" }] }], maxTokens: 6, sampling: { temperature: 0 } }).result).text;
  };

  it.each(["gemma3", "idefics3", "llava"] as const)("loads a converted %s, and says what it says of the checkpoint", async (model) => {
    const directory = await checkpoint(model, { width: 192 });
    expect(await ask(await converted(directory, { type: "F32" }))).toBe(await ask(directory));
  });

  it("says with mini's tower and projector, converted, what it says with the file that comes with it", async () => {
    const kept = fresh(".safetensors");
    await convertToSafetensors("mini", { out: kept });
    const scene = fileURLToPath(new URL("../../../../examples/scene.png", import.meta.url));
    for (const projector of [miniProjector, kept]) {
      const out = await converted("mini", { projector });
      await using chat = await loadVisionChat({ mmproj: out, decoder: (await findModelFiles("mini")).decoder }, { threads: 1 });
      const { text } = await chat.stream({ messages: [{ role: "user", content: [{ type: "image", image: scene }, { type: "text", text: "What do you see?" }] }], maxTokens: 32 }).result;
      expect(text).toMatch(/airplane.*hamburger.*sailboat/);
    }
  });
});

describe("a projector of its own", () => {
  /** The projector of seeded LLaVA under the names of LLaVA's own code, with nothing about the tower. */
  async function projectorFile(): Promise<string> {
    await using source = await openWeights(await checkpoint("llava"));
    const names = { "multi_modal_projector.linear_1": "model.mm_projector.0", "multi_modal_projector.linear_2": "model.mm_projector.2" };
    const file = fresh(".safetensors");
    await writeSafetensors(file, [...source.tensors.values()].flatMap(({ name, dtype, shape }) => {
      const layer = Object.keys(names).find((start) => name.startsWith(start)) as keyof typeof names | undefined;
      return layer ? [{ name: name.replace(layer, names[layer]), dtype, shape, data: () => source.readBytes(name) }] : [];
    }));
    await using copy = await openWeights(file);
    expect([...copy.tensors.keys()]).toContain("model.mm_projector.0.weight");
    return file;
  }

  /** The tower of seeded LLaVA as a SigLIP checkpoint. */
  async function towerDirectory(): Promise<string> {
    const llava = await checkpoint("llava");
    const directory = fresh();
    await mkdir(directory);
    const config = JSON.parse(await readFile(path.join(llava, "config.json"), "utf8")) as { vision_config: object };
    await writeFile(path.join(directory, "config.json"), JSON.stringify({ ...config.vision_config, model_type: "siglip_vision_model" }));
    await writeFile(path.join(directory, "preprocessor_config.json"), JSON.stringify({ size: { height: 64, width: 64 } }));
    await using source = await openWeights(llava);
    await writeSafetensors(path.join(directory, "model.safetensors"), [...source.tensors.values()].flatMap(({ name, dtype, shape }) =>
      name.startsWith("vision_tower.") ? [{ name: name.slice("vision_tower.".length), dtype, shape, data: () => source.readBytes(name) }] : []));
    return directory;
  }

  it("joined to a SigLIP checkpoint makes the file that the whole model makes", async () => {
    const [tower, projector] = [await towerDirectory(), await projectorFile()];
    const { metadata, tensors } = await described(await converted(await checkpoint("llava")));
    // What a projector's own file does not say.
    const { "sightline.projector.gelu": gelu, ...told } = metadata;
    expect(gelu?.[1]).toBe("erf");
    expect(await described(await converted(tower, { projector, featureLayer: -2 }))).toEqual({ metadata: told, tensors });
    const normed = await described(await converted(tower, { projector, featureLayer: "normed" }));
    expect(normed.metadata["clip.vision.feature_layer"]?.[1]).toEqual([3]);
    expect(Object.keys(normed.tensors)).toContain("v.post_ln.weight");
  });

  it("must say what it reads, fit the tower, and be one", async () => {
    const [tower, projector] = [await towerDirectory(), await projectorFile()];
    await expect(converted(tower, { projector })).rejects.toThrow(/does not say what its mlp projector reads; say it with --feature-layer/);
    await expect(converted(tower, { projector, featureLayer: 4 })).rejects.toThrow(/tower's 3 blocks, counted from 1 or back from -1, got 4/);
    await expect(converted("mini", { projector, featureLayer: -2 })).rejects.toThrow(/reads rows of width 32, but the tower gives 256/);
    await expect(converted(tower)).rejects.toThrow(/is a vision tower alone; an mmproj needs a projector too/);
    await expect(converted(tower, { projector: tower })).rejects.toThrow(/expected the tensors of a projector, got none of mlp/);
    await expect(converted(await checkpoint("llava"), { projector })).rejects.toThrow(/has a projector of its own \(mlp\)/);
  });
});

describe("refuses", () => {
  it("a model type that it does not know, naming those that it knows", async () => {
    const directory = await checkpoint("llava", { config: { model_type: "blip_2" } });
    await expect(converted(directory)).rejects.toThrow(/model_type is "blip_2"; an mmproj can be made of gemma3, idefics3, llava, llava_onevision, paligemma, siglip, siglip_vision_model, smolvlm/);
  });

  it("what is there already, and leaves it as it is; replaces it when told to", async () => {
    const directory = await checkpoint("idefics3");
    const out = fresh(".gguf");
    await writeFile(out, "mine");
    await expect(convertToMmproj(directory, { out })).rejects.toMatchObject({ code: "output-exists" });
    expect(await readFile(out, "utf8")).toBe("mine");
    await convertToMmproj(directory, { out, overwrite: true });
    expect((await described(out)).metadata["clip.projector_type"]?.[1]).toBe("idefics3");
    await expect(convertToSafetensors(out, { out, overwrite: true })).rejects.toThrow(/is or holds what is to be converted/);
  });

  it("nothing halfway: a stop in the middle leaves no file", async () => {
    const directory = await checkpoint("idefics3");
    const controller = new AbortController();
    const seen: number[] = [];
    const out = fresh(".gguf");
    const conversion = convertToMmproj(directory, {
      out,
      signal: controller.signal,
      onProgress: ({ bytes, totalBytes }) => {
        seen.push(bytes / totalBytes);
        if (bytes > totalBytes / 2) controller.abort(new Error("enough"));
      },
    });
    await expect(conversion).rejects.toThrow("enough");
    expect(seen.at(-1)).toBeGreaterThan(0.5);
    expect(seen.at(-1)).toBeLessThan(1);
    expect((await readdir(folder)).filter((name) => name.startsWith(path.basename(out)))).toEqual([]);
  });

  it("a checkpoint without one of its tensors, by name", async () => {
    const directory = await checkpoint("idefics3");
    await using source = await openWeights(directory);
    const kept = await Promise.all([...source.tensors.values()].filter(({ name }) => !name.endsWith("layers.1.mlp.fc1.bias")).map(async ({ name, dtype, shape }) => ({ name, dtype, shape, data: await source.readBytes(name) })));
    await writeSafetensors(path.join(directory, "model.safetensors"), kept);
    await expect(converted(directory)).rejects.toThrow(/expected the tensor "model.vision_model.encoder.layers.1.mlp.fc1.bias" of the vision tower, got none/);
  });
});
