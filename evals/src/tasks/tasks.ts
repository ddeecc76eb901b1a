import { EvalError } from "../eval-error.js";
import type { Task } from "../task.js";
import { ai2d } from "./ai2d.js";
import { chartqa } from "./chartqa.js";
import { coco2014Val } from "./coco2014-val.js";
import { coco2017Val } from "./coco2017-val.js";
import { cocoKarpathy } from "./coco-karpathy.js";
import { cocoMini } from "./coco-mini.js";
import { cocoRetrieval } from "./coco-retrieval.js";
import { docvqa } from "./docvqa.js";
import { emojiScenes } from "./emoji-scenes.js";
import { flickr30k } from "./flickr30k.js";
import { flickr30kRetrieval } from "./flickr30k-retrieval.js";
import { imagenetZeroshot } from "./imagenet-zeroshot.js";
import { mmbench } from "./mmbench.js";
import { mme } from "./mme.js";
import { nocaps } from "./nocaps.js";
import { pope } from "./pope.js";
import { textcaps } from "./textcaps.js";
import { textvqa } from "./textvqa.js";
import { vqav2 } from "./vqav2.js";
import { xm3600 } from "./xm3600.js";

/** Every task that is known. */
export const tasks: readonly Task[] = [
  emojiScenes, cocoMini, cocoKarpathy, coco2014Val, coco2017Val, nocaps, flickr30k, textcaps, xm3600, vqav2, textvqa, docvqa, chartqa, ai2d, pope, mme, mmbench,
  imagenetZeroshot, cocoRetrieval, flickr30kRetrieval,
];

/** @throws EvalError `unknown-task` with the names that there are */
export function findTask(name: string): Task {
  const task = tasks.find((known) => known.name === name);
  if (!task) throw new EvalError("unknown-task", `eval: there is no task ${JSON.stringify(name)}; expected one of ${tasks.map((known) => known.name).join(", ")}`);
  return task;
}
