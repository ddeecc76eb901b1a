// Prints the lines of a golden file that our tokenizer (built) gives other words for. node compare.mjs FILE
import { readFileSync } from "node:fs";
import { tokenizeCaptions } from "../../../evals/dist/metrics/captions/tokenizer/caption-words.js";

const punctuation = new Set(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"]);
const rows = readFileSync(process.argv[2], "utf8").trimEnd().split("\n").map((line) => line.split("\t"));
const ours = tokenizeCaptions(rows.map(([caption]) => caption));
let different = 0;
rows.forEach(([caption, tokens], i) => {
  const theirs = (tokens ?? "").split(" ").filter((token) => !punctuation.has(token)).join(" ");
  if (theirs === ours[i]) return;
  different++;
  console.log(`${JSON.stringify(caption)}\n  theirs ${theirs}\n  ours   ${ours[i]}`);
});
console.log(`${different} of ${rows.length} lines differ`);
