import path from "node:path";
import { decodeImage, thumbnail } from "@sightline/vision-tower";
import { listedImageOf, readListedImages } from "../embed/listed-images.js";
import type { SearchHit } from "./embedding-index.js";

/** What a contact sheet shows. */
export interface ContactSheet {
  /** What was looked for, as a text or the path of a picture. */
  readonly query: { readonly text: string } | { readonly image: string };
  readonly hits: readonly SearchHit[];
  /** A line about the index. */
  readonly note: string;
}

/** Pixels of the longer side: sharp at twice the size that it is shown in. */
const thumbnailSide = 400;

/**
 * A page of its own, without scripts or anything to fetch, that shows what a search found: thumbnails, best first, with scores
 * and paths. A picture that cannot be read any more is shown by its path and the reason.
 */
export async function contactSheet({ query, hits, note }: ContactSheet): Promise<string> {
  const title = "text" in query ? query.text : path.basename(query.image);
  const asked = "text" in query ? `<h1>${escaped(query.text)}</h1>` : `<h1>${await pictureOf({ key: "query", path: query.image })} ${escaped(title)}</h1>`;
  const figures: string[] = [];
  for (const [i, hit] of hits.entries()) {
    const shown = hit.text === undefined ? await pictureOf(hit) : `<p class="text">${escaped(hit.text)}</p>`;
    figures.push(`<figure>${shown}<figcaption><b>${i + 1}</b> <span>${hit.score.toFixed(4)}</span><br>${escaped(hit.path)}</figcaption></figure>`);
  }
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}</style>
${asked}
<p>${escaped(note)}</p>
<main>
${figures.join("\n")}
</main>
</html>
`;
}

const style = `
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem; }
h1 img { height: 6rem; vertical-align: middle; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 1rem; }
figure { margin: 0; }
figure > img, .text, .missing { width: 100%; aspect-ratio: 1; object-fit: contain; background: #8882; border-radius: 6px; }
.text, .missing { display: grid; place-items: center; margin: 0; padding: .5rem; box-sizing: border-box; overflow: auto; overflow-wrap: anywhere; }
figcaption { overflow-wrap: anywhere; font-size: 12px; }
figcaption span { font-variant-numeric: tabular-nums; opacity: .7; }
`;

async function pictureOf(image: { readonly key: string; readonly path: string }): Promise<string> {
  try {
    for await (const input of readListedImages([listedImageOf(image)])) {
      if ("error" in input) throw input.error;
      const { image: source } = input;
      const jpeg = await thumbnail(typeof source === "object" && "data" in source ? source : await decodeImage(source), thumbnailSide);
      return `<img alt="${escaped(image.path)}" src="data:image/jpeg;base64,${Buffer.from(jpeg).toString("base64")}">`;
    }
    return "";
  } catch (error) {
    // The picture was moved since it was embedded; the others are still worth a look.
    return `<p class="missing">${escaped((error as Error).message)}</p>`;
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
