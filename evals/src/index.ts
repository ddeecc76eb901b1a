export { scoreCaptions, type CaptionScores, type CaptionToScore, type ImageCaptionScores, type ScoreCaptionsOptions } from "./metrics/captions/score-captions.js";
export type { BleuScores } from "./metrics/captions/bleu.js";
export { documentFrequency, type DocumentFrequency } from "./metrics/captions/cider.js";
export { tokenizeCaption } from "./metrics/captions/tokenizer/caption-words.js";
export { EvalError, type EvalErrorCode } from "./eval-error.js";
