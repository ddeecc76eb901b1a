import type { TaskData } from "../task.js";

/** Data of a set on the Hugging Face hub, and the commands that fetch it. */
export function hubData(source: string, split: string, size: number, include?: string): TaskData {
  const command = `hf download ${source} --repo-type dataset${include === undefined ? "" : ` --include "${include}"`} --local-dir FOLDER`;
  return { source, split, size, dataset: { name: source, include: [include ?? "**"] }, fetch: `fetch it with --pull, or with: ${command}` };
}
