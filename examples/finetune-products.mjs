// Teaches SigLIP the names of your own products, from a table of pictures and what they are called:
//
//   node examples/finetune-products.mjs products.csv runs/products        (columns: image, caption)
//
// Afterwards the model in runs/products/model loads here and in Hugging Face's libraries.
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { finetune, loadSiglip, parseFinetuneConfig } from "sightline";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const [table = await exampleTable("runs/products-example"), out = "runs/products-example"] = process.argv.slice(2);

const config = parseFinetuneConfig({
  model: here("../models/mini/siglip"), // better: a SigLIP 2 that you downloaded
  data: { train: table },
  out: path.resolve(out),
  // Low-rank adapters: a small part of the numbers is trained, which suits few pictures and little memory.
  trains: { lora: { rank: 8 } },
  optimizer: { learningRate: 2e-3 },
  batchSize: 4,
  steps: 20,
});
for await (const event of finetune(config, { overwrite: true })) {
  if (event.type === "step-end" && event.step % 10 === 0) console.log(`step ${event.step}: loss ${event.loss.toFixed(3)}`);
  if (event.type === "exported") console.log(`${event.format}: ${event.path}`);
}

// Does it know the new names now? Before and after, the likeliest two of a picture.
for (const model of [here("../models/mini/siglip"), path.join(out, "model")]) {
  const siglip = await loadSiglip(model);
  const { tags } = await siglip.tag(here("duck-eggplant-package.png"), ["a Breakfast Box No. 7", "a Seaside Plate", "an Ice Bar"], { template: "{label}" });
  console.log(`${path.relative(".", model)}: ${tags.slice(0, 2).map(({ label, probability }) => `${label} ${(100 * probability).toFixed(1)} %`).join(", ")}`);
  await siglip[Symbol.asyncDispose]();
}

/** A table of four products, so that this runs as it stands. */
async function exampleTable(folder) {
  await mkdir(folder, { recursive: true });
  const products = { "duck-eggplant-package.png": "a Breakfast Box No. 7", "crabs.png": "a Seaside Plate", "penguins.png": "an Ice Bar", "sunflower-and-deer.png": "a Meadow Tea" };
  const file = path.join(folder, "products.csv");
  await writeFile(file, ["image,caption", ...Object.entries(products).map(([image, caption]) => `${here(image)},${caption}`)].join("\n"));
  return file;
}
