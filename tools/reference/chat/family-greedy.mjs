// What llama.cpp's mtmd answers with a seeded pair of each family: node family-greedy.mjs MTMD-GREEDY OUT.json [PAIR...], in
// a built checkout. The pairs, pictures and prompts are the test's own (packages/sightline/test/seeded-pairs.ts).
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

const [program, out, ...only] = process.argv.slice(2);
const root = fileURLToPath(new URL("../../..", import.meta.url));
const { module: pairs } = await runnerImport(`${root}/packages/sightline/test/seeded-pairs.ts`, { root });
const folder = mkdtempSync(path.join(tmpdir(), "family-greedy-"));
const cases = [];
for (const [pair, { conversations }] of Object.entries(pairs.seededPairs)) {
  if (only.length > 0 && !only.includes(pair)) continue;
  const { mmproj, decoder } = await pairs.writeSeededPair(folder, pair);
  for (const conversation of conversations) {
    const { prompt, pictures } = pairs.promptOf(pair, conversation);
    const files = [];
    for (const picture of pictures) {
      files.push(path.join(folder, `${picture}.png`));
      writeFileSync(files.at(-1), await pairs.picturePng(picture));
    }
    const answer = execFileSync(program, [mmproj, decoder, prompt, "64", "-", ...files], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    const { promptTokens, imageTokens, tokens, margins, logprobs } = JSON.parse(answer);
    cases.push({ pair, conversation, prompt, promptTokens, imageTokens, tokens, margins, logprobs });
    console.log(`${pair} ${conversation}: ${promptTokens} tokens, ${imageTokens} of them of pictures; the best two logits come as near as ${Math.min(...margins)}`);
  }
}
rmSync(folder, { recursive: true });
writeFileSync(out, `[\n${cases.map((entry) => JSON.stringify(entry)).join(",\n")}\n]\n`);
