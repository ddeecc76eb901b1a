// Puts the same labels to CLIP and to SigLIP, to see what is different about their numbers:
//
//   node examples/compare-clip-with-siglip.mjs CLIP-FOLDER photo.jpg cat dog "a bus"
//
// CLIP-FOLDER is a checkpoint as Hugging Face has it (openai/clip-vit-base-patch32) or open_clip's own.
import { fileURLToPath } from "node:url";
import { loadSiglip, loadVisionTower } from "@sightline/vision-tower";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const [clipFolder, image = here("penguins.png"), ...asked] = process.argv.slice(2);
if (!clipFolder) {
  console.error("compare-clip-with-siglip: expected the folder of a CLIP checkpoint");
  process.exit(2);
}
const labels = asked.length > 0 ? asked : ["penguin", "cat", "bus"];
const texts = labels.map((label) => `a photo of ${label}`);

/** t · cosine + b of the image with each text: what the model says before it is made a probability. */
async function logitsOf(tower) {
  try {
    const { pooled } = await tower.encodeImages([image]);
    return [...tower.logits(pooled, await tower.encodeTexts(texts))];
  } finally {
    await tower[Symbol.asyncDispose]();
  }
}

// CLIP was trained to pick one text among many: its numbers become shares that add up to 1, whatever the labels are.
const clip = await logitsOf(await loadVisionTower(clipFolder));
const largest = Math.max(...clip);
const total = clip.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
const shares = clip.map((logit) => Math.exp(logit - largest) / total);

// SigLIP was trained on each pair alone: each label has a probability of its own, and their sum means nothing.
const siglip = await logitsOf(await loadSiglip(here("../models/mini/siglip")));
const probabilities = siglip.map((logit) => 1 / (1 + Math.exp(-logit)));

console.log(`${"".padEnd(16)}  CLIP share  SigLIP probability`);
labels.forEach((label, i) => console.log(`${label.padEnd(16)} ${(100 * shares[i]).toFixed(1).padStart(9)} % ${(100 * probabilities[i]).toFixed(1).padStart(12)} %`));
console.log(`${"sum".padEnd(16)} ${(100 * shares.reduce((a, b) => a + b)).toFixed(1).padStart(9)} % ${(100 * probabilities.reduce((a, b) => a + b)).toFixed(1).padStart(12)} %`);
