import type { AnswerTask } from "../task.js";
import { cocoVal } from "./coco-val.js";

/** COCO 2014 captions, validation. */
export const coco2014Val: AnswerTask = cocoVal(2014, "lmms-lab/COCO-Caption", 40504);
