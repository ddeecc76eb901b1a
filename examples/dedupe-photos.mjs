// Finds pictures of a folder that show the same: copies, other sizes, other formats, slight edits.
//
//   node examples/dedupe-photos.mjs photos [0.95]
//
// It only prints groups; which one stays is for you to say. The largest file of a group comes first.
import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { embedImages, imageFiles, loadSiglip } from "sightline";

const [folder = "examples", limit = "0.95"] = process.argv.slice(2);

const siglip = await loadSiglip(fileURLToPath(new URL("../models/mini/siglip", import.meta.url)));
const photos = [];
try {
  for await (const photo of embedImages(siglip, await imageFiles([folder]))) {
    if (photo.error) console.error(`${photo.path}: ${photo.error.message}`);
    else photos.push({ ...photo, bytes: (await stat(photo.path)).size });
  }
} finally {
  await siglip[Symbol.asyncDispose]();
}

// Two pictures whose rows point nearly the same way are one; so are their copies' copies (a union of groups).
const groupOf = photos.map((_, i) => i);
const root = (i) => (groupOf[i] === i ? i : root(groupOf[i]));
const cosine = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
for (let i = 0; i < photos.length; i++) {
  for (let j = 0; j < i; j++) if (cosine(photos[i].embedding, photos[j].embedding) >= Number(limit)) groupOf[root(i)] = root(j);
}

const groups = new Map();
photos.forEach((photo, i) => groups.set(root(i), [...(groups.get(root(i)) ?? []), photo]));
const copies = [...groups.values()].filter((group) => group.length > 1);
copies.forEach((group, number) => {
  for (const { path, bytes } of group.sort((a, b) => b.bytes - a.bytes)) console.log(`${number + 1}\t${bytes}\t${path}`);
});
console.error(`${photos.length} pictures, ${copies.length} groups of the same`);
