import type { AnswerTask } from "../task.js";
import { cocoVal } from "./coco-val.js";

/** COCO 2017 captions, validation. */
export const coco2017Val: AnswerTask = cocoVal(2017, "lmms-lab/COCO-Caption2017", 5000);
