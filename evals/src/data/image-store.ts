import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import type { ImageSource } from "sightline";
import { EvalError } from "../eval-error.js";
import { indexTar, readMember, type TarMember } from "./tar-index.js";

/** Folders that published archives of pictures unpack to. */
const usualFolders = ["", "images", "val2014", "val2017", "test2014", "flickr30k-images", "train_images", "validation"];

/** Finds pictures by file name: in a task's folder, in the usual ones in it, and in its tar files. */
export class ImageStore {
  readonly #folder: string;
  readonly #fetch: string;
  #tars: Promise<ReadonlyMap<string, TarMember>> | undefined;

  /** @param fetch what to do where one is missing */
  constructor(folder: string, fetch: string) {
    this.#folder = folder;
    this.#fetch = fetch;
  }

  /** @throws EvalError `data-missing` */
  async find(name: string): Promise<ImageSource> {
    for (const inside of usualFolders) {
      const file = path.join(this.#folder, inside, name);
      if ((await stat(file).catch(() => undefined))?.isFile()) return file;
    }
    const members = await (this.#tars ??= this.#indexTars());
    const member = members.get(name) ?? members.get(path.posix.basename(name));
    if (member) return readMember(member);
    throw new EvalError("data-missing", `eval: the picture ${name} is not in ${this.#folder}, its folders or its tar files; ${this.#fetch}`);
  }

  async #indexTars(): Promise<ReadonlyMap<string, TarMember>> {
    const members = new Map<string, TarMember>();
    for (const file of (await readdir(this.#folder)).filter((name) => name.endsWith(".tar")).sort()) {
      for (const [name, member] of await indexTar(path.join(this.#folder, file))) {
        members.set(name, member);
        // Archives differ in the folders they pack; file names of pictures are unique in all of these sets.
        if (!members.has(path.posix.basename(name))) members.set(path.posix.basename(name), member);
      }
    }
    return members;
  }
}
