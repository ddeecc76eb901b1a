import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { syncFolder } from "../embed/durable-file.js";

/** Fills a new folder and puts it in the place of the old one, which stays whole until then. */
export async function replaceFolder(folder: string, fill: (partial: string) => Promise<void>): Promise<void> {
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  try {
    await fill(partial);
    await syncFolder(partial);
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
    await syncFolder(path.dirname(folder));
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}
