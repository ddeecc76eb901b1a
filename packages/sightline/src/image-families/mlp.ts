import { anyresPlan, letterbox, type Size } from "@sightline/vision-tower";
import { SightlineError } from "../sightline-error.js";
import { modelField } from "./facts.js";
import type { ImageFamily, PreparationFacts } from "./image-family.js";
import { squashed } from "./squashed.js";

/** What llama.cpp fills up a picture with that is not square, where there are no tiles. */
const padding = [122, 116, 104] as const;

/** LLaVA with SigLIP: the whole picture. LLaVA-OneVision, known by its list of sizes: an overview and tiles (anyres). */
export const mlp: ImageFamily = {
  type: "mlp",
  marker: "<image>",
  planner(facts) {
    const { side, style, preprocessing, newline } = facts;
    const filter = preprocessing.filter ?? "bicubic";
    const sizes = tileSizes(facts);
    if (sizes.length === 0) {
      return { plan: (image) => (style === "llama.cpp" ? { views: [letterbox(image, { width: side, height: side }, filter, padding)], layout: [{ type: "view", view: 0 }] } : squashed(side, preprocessing.filter)) };
    }
    return {
      maxTiles: maxTiles(facts),
      afterImage: style === "llama.cpp" ? "" : "\n",
      plan(image, { detail, imageCount }) {
        // transformers cuts a picture into tiles when it is alone in its prompt, llama.cpp always.
        const tiling = detail === "low" ? false : detail === "high" || imageCount === 1 || style === "llama.cpp";
        const background = preprocessing.mean.map((mean) => Math.trunc(mean * 255)) as [number, number, number];
        // Without a newline there is nothing to join tiles with; llama.cpp's way needs none.
        return anyresPlan(image, { side, sizes, filter, tiling, background, preprocessing: newline ? style : "llama.cpp" });
      },
    };
  },
};

/** `image_grid_pinpoints`: [height, width] pairs in config.json, the same numbers in one row, width first, in a GGUF. */
function tileSizes(facts: PreparationFacts): Size[] {
  const flat = facts.metadata.get("clip.vision.image_grid_pinpoints");
  const pairs: unknown = flat === undefined ? modelField(facts, "image_grid_pinpoints") : flat;
  if (pairs === undefined || pairs === null) return [];
  const sizes = Array.isArray(pairs) ? (flat === undefined ? pairs.map((pair: unknown) => sizeOf(pair, 1, 0)) : Array.from({ length: Math.ceil(pairs.length / 2) }, (_, i) => sizeOf(pairs.slice(2 * i, 2 * i + 2), 0, 1))) : [undefined];
  if (sizes.every((size) => size !== undefined && size.width % facts.side === 0 && size.height % facts.side === 0)) return sizes as Size[];
  throw new SightlineError("model-mismatch", `readImageModel: image_grid_pinpoints: expected pairs of multiples of ${facts.side}, the tower's side, got ${JSON.stringify(pairs).slice(0, 80)}`);
}

function sizeOf(pair: unknown, width: 0 | 1, height: 0 | 1): Size | undefined {
  if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((side) => Number.isInteger(side) && side > 0 && side <= 2 ** 16)) return undefined;
  return { width: pair[width] as number, height: pair[height] as number };
}

/** The 9 of `vision_aspect_ratio: "anyres_max_9"`, which every OneVision has; a GGUF may name it as LLaVA's older converter does. */
function maxTiles(facts: PreparationFacts): number {
  const named = facts.metadata.get("clip.vision.image_aspect_ratio") ?? modelField(facts, "vision_aspect_ratio");
  return Number(/^anyres_max_(\d{1,3})$/.exec(typeof named === "string" ? named : "")?.[1] ?? 9);
}
