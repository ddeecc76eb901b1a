import type { TaskData } from "../task.js";

/** Data of a set on the Hugging Face hub, and the command that fetches it. */
export function hubData(source: string, split: string, size: number, include?: string): TaskData {
  return { source, split, size, fetch: `fetch it with: hf download ${source} --repo-type dataset${include === undefined ? "" : ` --include "${include}"`} --local-dir FOLDER` };
}
