// Finds the pictures of a folder that a sentence fits best:
//
//   node examples/find-photos.mjs photos "a penguin on ice"
import path from "node:path";
import { fileURLToPath } from "node:url";
import { embedImages, embedTexts, imageFiles, loadSiglip } from "sightline";

const mini = fileURLToPath(new URL("../models/mini/siglip", import.meta.url));
const [folder = "examples", query = "a picture of penguins", model = mini] = process.argv.slice(2);

const siglip = await loadSiglip(model);
try {
  // An embedding is a row of numbers; pictures and texts that mean the same have rows that point the same way.
  const photos = [];
  for await (const found of embedImages(siglip, await imageFiles([folder]))) {
    if (found.error) console.error(`${found.path}: ${found.error.message}`);
    else photos.push(found);
  }
  let wanted;
  for await (const { embedding } of embedTexts(siglip, [query])) wanted = embedding;

  // Rows have length 1, so the sum of products is the cosine of the angle between them: 1 is the same direction.
  const cosine = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const ranked = photos.map(({ path, embedding }) => ({ path, score: cosine(embedding, wanted) })).sort((a, b) => b.score - a.score);
  for (const { path: file, score } of ranked.slice(0, 5)) console.log(`${score.toFixed(3)}  ${path.relative(".", file)}`);
} finally {
  await siglip[Symbol.asyncDispose]();
}
// For more pictures than a folder has, write the rows to a file once: `sightline embed photos --out photos.parquet`.
