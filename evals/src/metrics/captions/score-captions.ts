import { EvalError } from "../../eval-error.js";
import { bleu, type BleuScores } from "./bleu.js";
import { ciderD, weightsOf, weightsOfReferences, type DocumentFrequency } from "./cider.js";
import { NgramTable } from "./ngrams.js";
import { rougeL } from "./rouge-l.js";
import { tokenizeCaptions } from "./tokenizer/caption-words.js";

/** One image: what was said of it, and what people said. */
export interface CaptionToScore {
  readonly imageId: number | string;
  /** What is scored; one that is missing scores as a caption that says nothing. */
  readonly candidate?: string | undefined;
  /** At least one. */
  readonly references: readonly string[];
}

/** Scores of captions against their references. */
export interface CaptionScores {
  /** BLEU-1 to 4 of the corpus, 0 to 1. */
  readonly bleu: BleuScores;
  /** The mean of ROUGE-L, 0 to 1. */
  readonly rougeL: number;
  /** The mean of CIDEr-D, 0 to 10; papers print it times a hundred. */
  readonly cider: number;
  /** In the order in which they came. BLEU of one image is its own, not a share of the corpus's. */
  readonly perImage: readonly ImageCaptionScores[];
}

/** One image's scores; see `CaptionScores`. */
export interface ImageCaptionScores {
  readonly imageId: number | string;
  readonly bleu: BleuScores;
  readonly rougeL: number;
  readonly cider: number;
}

/** Settings of `scoreCaptions`. */
export interface ScoreCaptionsOptions {
  /**
   * What CIDEr weighs n-grams by. From the images that are scored when left out, as in the COCO evaluation; a subset then
   * gets other figures than the same captions in the whole set (`documentFrequency` of the whole set makes them comparable).
   */
  readonly documentFrequency?: DocumentFrequency;
}

/**
 * Scores captions as the COCO evaluation does (Chen et al. 2015): Penn Treebank tokens, BLEU-1 to 4, ROUGE-L and CIDEr-D.
 * @throws EvalError `duplicate-image` when an image comes twice; `bad-input` when there is none, or one has no references
 */
export function scoreCaptions(captions: readonly CaptionToScore[], { documentFrequency }: ScoreCaptionsOptions = {}): CaptionScores {
  checkCaptions(captions);
  // Two passes, as the reference makes them.
  const candidates = tokenizeCaptions(captions.map(({ candidate = "" }) => candidate));
  const lines = tokenizeCaptions(captions.flatMap((caption) => caption.references))[Symbol.iterator]();
  const references = captions.map((caption) => caption.references.map(() => lines.next().value as string));
  const table = new NgramTable();
  const candidateCounts = candidates.map((tokens) => table.counts(tokens));
  const referenceCounts = references.map((ofImage) => ofImage.map((tokens) => table.counts(tokens)));
  const { corpus, perImage } = bleu(candidateCounts, referenceCounts);
  const rouge = candidates.map((tokens, i) => rougeL(tokens, references[i] ?? []));
  const cider = ciderD(candidateCounts, referenceCounts, documentFrequency ? weightsOf(documentFrequency, table) : weightsOfReferences(referenceCounts, table));
  return {
    bleu: corpus,
    rougeL: mean(rouge),
    cider: mean(cider),
    perImage: captions.map(({ imageId }, i) => ({ imageId, bleu: perImage[i] as BleuScores, rougeL: rouge[i] as number, cider: cider[i] as number })),
  };
}

/** Throws EvalError for captions that cannot be scored. */
export function checkCaptions(captions: readonly CaptionToScore[]): void {
  if (captions.length === 0) throw new EvalError("bad-input", "scoreCaptions: expected at least one image, got none");
  const seen = new Set<string>();
  for (const { imageId, candidate, references } of captions) {
    // 7 and "7" name the same image in COCO's files and in JSON lines.
    if (seen.has(String(imageId))) throw new EvalError("duplicate-image", `scoreCaptions: expected each image once, got ${JSON.stringify(imageId)} again; keep one caption of it`);
    seen.add(String(imageId));
    if (candidate !== undefined && typeof candidate !== "string") throw new EvalError("bad-input", `scoreCaptions: image ${JSON.stringify(imageId)}: expected a candidate that is text, got ${typeof candidate}`);
    if (references.length === 0) throw new EvalError("bad-input", `scoreCaptions: image ${JSON.stringify(imageId)}: expected at least one reference, got none`);
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
