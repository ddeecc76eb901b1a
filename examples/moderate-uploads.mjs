// Decides whether uploaded pictures may be shown, by rules with thresholds:
//
//   node examples/moderate-uploads.mjs upload1.jpg upload2.png
//
// A rule says what must not be seen, and from which probability on a person has to look, or the picture is refused.
// Thresholds depend on the model: try them on pictures of your own, and write down how often they are wrong.
import { fileURLToPath } from "node:url";
import { loadSiglip } from "sightline";

const rules = [
  { label: "hamburger", review: 0.3, refuse: 0.8 },
  { label: "crab", review: 0.2, refuse: 0.6 },
];

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const uploads = process.argv.length > 2 ? process.argv.slice(2) : [here("scene.png"), here("crabs.png"), here("penguins.png")];

const siglip = await loadSiglip(here("../models/mini/siglip"));
try {
  for (const upload of uploads) {
    let verdict = "allow";
    const reasons = [];
    try {
      // Every label has a probability of its own: several may be true of one picture, or none.
      const { tags } = await siglip.tag(upload, rules.map(({ label }) => label));
      for (const { label, probability } of tags) {
        const { review, refuse } = rules.find((rule) => rule.label === label);
        if (probability < review) continue;
        reasons.push(`${label} ${probability.toFixed(2)}`);
        if (probability >= refuse) verdict = "refuse";
        else if (verdict === "allow") verdict = "review";
      }
    } catch (error) {
      // What cannot be looked at is not shown: a file that is no picture, one that is too large, a damaged one.
      verdict = "refuse";
      reasons.push(error.message);
    }
    console.log(`${verdict}\t${upload}\t${reasons.join("; ")}`);
  }
} finally {
  await siglip[Symbol.asyncDispose]();
}
