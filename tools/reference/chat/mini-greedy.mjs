// What llama.cpp's mtmd answers about examples/ with mini: node mini-greedy.mjs MTMD-GREEDY OUT.json, in a built checkout.
// Pictures are brought to the tower's size by our own resampling first, so that nothing resizes them there.
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const [program, out] = process.argv.slice(2);
const root = fileURLToPath(new URL("../../..", import.meta.url));
const { decodeImage, resample } = await import(`${root}/packages/vision-tower/dist/index.js`);
const sharp = createRequire(`${root}/packages/vision-tower/package.json`)("sharp");
const prompt = "<|im_start|>user\n<__media__>What do you see?<|im_end|>\n<|im_start|>assistant\n";
const folder = mkdtempSync(path.join(tmpdir(), "mini-greedy-"));
const cases = [];
for (const { file } of JSON.parse(readFileSync(`${root}/examples/examples.json`, "utf8"))) {
  const { data } = resample(await decodeImage(`${root}/examples/${file}`), 128, 128, "bicubic");
  const png = path.join(folder, file);
  await sharp(Buffer.from(data), { raw: { width: 128, height: 128, channels: 3 } }).png().toFile(png);
  const answer = execFileSync(program, [`${root}/models/mini/mmproj-mini.gguf`, `${root}/models/mini/mini-qwen3.gguf`, prompt, "64", "-", png], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const { imageTokens, positions, tokens, gaps } = JSON.parse(answer);
  cases.push({ file, imageTokens, positions, tokens, smallestGap: Math.min(...gaps) });
}
rmSync(folder, { recursive: true });
writeFileSync(out, `[\n${cases.map((entry) => JSON.stringify(entry)).join(",\n")}\n]\n`);
