import { it } from "vitest";
import { writeTinyModel } from "./tiny-model.js";
import { loadDecoder } from "../src/index.js";
it("try", async () => {
  await writeTinyModel("/tmp/dec/tiny.gguf", {});
  await writeTinyModel("/tmp/dec/bench-f16.gguf", { width: 192, layers: 4, heads: 6, feedForward: 512, dtype: "F16", trainContextLength: 2048 });
  await writeTinyModel("/tmp/dec/bench-f32.gguf", { width: 192, layers: 4, heads: 6, feedForward: 512, dtype: "F32", trainContextLength: 2048 });
  await using d = await loadDecoder("/tmp/dec/tiny.gguf");
  console.log(d.info);
  console.log(d.tokenize("hello world<|im_end|>é"), d.tokenize("<|im_end|>", { specials: true }), d.detokenize(d.tokenize("hello world<|im_end|>é")));
  using s = d.createSequence();
  const g = s.generate([{ type: "tokens", tokens: d.tokenize("hello world") }], { maxTokens: 20 });
  for await (const c of g) console.log(JSON.stringify(c));
  console.log(await g.result);
});
