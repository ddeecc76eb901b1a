// Says which of some labels are true of a picture, and says so when none is.
//
//   node examples/none-of-the-above.mjs photo.jpg cat dog bus
//
// A classifier whose probabilities add up to 1 must call a penguin a cat, a dog or a bus. SigLIP asks about each label on its
// own, so it can say no to all of them.
import { fileURLToPath } from "node:url";
import { loadSiglip } from "sightline";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const [image = here("penguins.png"), ...asked] = process.argv.slice(2);
const labels = asked.length > 0 ? asked : ["cat", "dog", "bus"];

const siglip = await loadSiglip(here("../models/mini/siglip"));
try {
  const { tags, noneOfTheAbove } = await siglip.tag(image, labels, {
    // How a label is put to the model: the words that it was trained on work best. Several templates are averaged.
    template: "a picture of {label}",
    // From here on a label counts. Lower finds more and is wrong more often.
    threshold: 0.5,
  });
  for (const { label, probability } of tags) {
    const bar = "#".repeat(Math.round(probability * 40));
    console.log(`${label.padEnd(16)} ${(100 * probability).toFixed(1).padStart(5)} %  ${bar}`);
  }
  if (noneOfTheAbove) console.log("none of the above");
  else console.log(`it is: ${tags.filter(({ probability }) => probability >= 0.5).map(({ label }) => label).join(", ")}`);
} finally {
  await siglip[Symbol.asyncDispose]();
}
