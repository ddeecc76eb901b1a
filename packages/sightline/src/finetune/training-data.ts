import { BadPairCount, type BadPair, type ImageTextPair } from "@sightline/contrastive";
import type { TextTokenizer } from "@sightline/vision-tower";
import { SightlineError } from "../sightline-error.js";
import type { FinetuneConfig } from "./finetune-settings.js";
import type { ImageSpool } from "./image-spool.js";
import { namedSources } from "./named-sources.js";
import { readPairs } from "./read-pairs.js";

/** The pairs of one or several sources, and what was left out of them. */
export interface TrainingData {
  readonly pairs: readonly ImageTextPair[];
  readonly bad: BadPairCount;
  /** Captions that are longer than the tower reads. */
  readonly longCaptions: number;
}

/**
 * Reads pairs, and looks at each caption's length.
 * @param spool holds images that come as bytes
 * @throws SightlineError `bad-input` when there is no pair, or, where the configuration says so, for the first bad one
 */
export async function readTrainingData(sources: readonly string[], { data }: FinetuneConfig, tokenizer: TextTokenizer, spool: ImageSpool, signal?: AbortSignal): Promise<TrainingData> {
  const bad = new BadPairCount();
  const onBad = (pair: BadPair): void => {
    if (data.bad === "fail") throw new SightlineError("bad-input", `finetune: pair ${pair.id}: ${pair.reason}; mend or remove it, or set data.bad to "skip"`);
    bad.add(pair);
  };
  const { fields, imageRoot, splits } = data;
  const pairs: ImageTextPair[] = [];
  let longCaptions = 0;
  for (const source of await namedSources(sources)) {
    const options = { onBad, ...(fields ? { fields } : {}), ...(imageRoot === undefined ? {} : { imageRoot }), ...(splits ? { splits } : {}) };
    for await (const read of readPairs(source, options)) {
      signal?.throwIfAborted();
      const pair = read.image instanceof Uint8Array ? { ...read, image: await spool.keep(read.image) } : read;
      const { cut } = tokenizer.encode(pair.captions);
      longCaptions += cut.length;
      if (cut.length === 0 || data.longCaptions === "cut") {
        pairs.push(pair);
        continue;
      }
      if (data.longCaptions === "fail") {
        throw new SightlineError("bad-input", `finetune: pair ${pair.id}: expected captions of at most ${tokenizer.maxTokens} tokens, got ${JSON.stringify(pair.captions[cut[0] as number])}; shorten it, or set data.longCaptions to "cut" or "skip"`);
      }
      const captions = pair.captions.filter((_, i) => !cut.includes(i));
      if (captions.length > 0) pairs.push({ ...pair, captions });
      else bad.add({ id: pair.id, reason: `every caption is longer than ${tokenizer.maxTokens} tokens` });
    }
  }
  if (pairs.length === 0) throw new SightlineError("bad-input", `finetune: no pairs in ${sources.join(", ")}${bad.total > 0 ? `: ${bad.report().join("; ")}` : "; check the path"}`);
  return { pairs, bad, longCaptions };
}
