// The entry "sightline/cli": what a command of another package needs to behave like those of this one.
export { exitCodes, UsageError } from "./failure.js";
export { abortOnInterrupt } from "./interrupt.js";
export { numberBetween, wholeNumber } from "./option-values.js";
export { packageVersion } from "./package-version.js";
export { withPullProgress } from "./pull-progress.js";
export { duration, progressLine, type ProgressLine, type ProgressState } from "./progress-line.js";
export { openSiglip, withTowerOptions, type TowerOptions } from "./tower-options.js";
export { readFully, syncFolder, writeDurably, writeFully } from "../embed/durable-file.js";
export { byteLines, type ByteLine } from "../embed/byte-lines.js";
export { defined } from "../defined.js";
