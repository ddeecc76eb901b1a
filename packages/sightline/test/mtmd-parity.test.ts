import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { loadDecoder, type Segment } from "@sightline/decoder";
import { decodeImage, resample } from "@sightline/vision-tower";
import { expect, it } from "vitest";
import { openImageEncoder } from "../src/image-encoder.js";
import { findModelFiles } from "../src/index.js";

interface Golden {
  readonly file: string;
  readonly imageTokens: number;
  readonly positions: number;
  readonly tokens: readonly number[];
}

// The two add in other orders, so where the best two logits are nearly equal they might choose differently; in these cases
// the smallest gap is 6e-4 of the logits' spread and no such place was found, so all ids must be equal.
it("mini says about the ten examples what llama.cpp's mtmd says, token by token", async () => {
  const goldens = JSON.parse(await readFile(new URL("goldens/mtmd/mini.json", import.meta.url), "utf8")) as readonly Golden[];
  expect(goldens).toHaveLength(10);
  const files = await findModelFiles("mini");
  await using decoder = await loadDecoder(files.decoder, { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false, threads: 1 });
  await using encoder = await openImageEncoder(files.mmproj, { threads: 1 });
  const text = (value: string): Segment => ({ type: "tokens", tokens: decoder.tokenize(value, { specials: true }) });
  for (const { file, imageTokens, positions, tokens } of goldens) {
    const image = resample(await decodeImage(fileURLToPath(new URL(`../../../examples/${file}`, import.meta.url))), 128, 128, "bicubic");
    const embeddings = (await encoder.encodeViews([image])).rows[0] as Float32Array;
    const segments: Segment[] = [text("<|im_start|>user\n"), { type: "embeddings", embeddings, id: file }, text("What do you see?<|im_end|>\n<|im_start|>assistant\n")];
    const generation = decoder.generate(segments, { maxTokens: tokens.length, ignoreEnd: true });
    const said: number[] = [];
    for await (const { tokenIds } of generation) said.push(...tokenIds);
    const { usage } = await generation.result;
    expect({ file, imageTokens: embeddings.length / encoder.width, positions: usage.promptTokens, tokens: said }).toEqual({ file, imageTokens, positions, tokens });
  }
});
