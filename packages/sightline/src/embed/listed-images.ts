import { existsSync } from "node:fs";
import path from "node:path";
import { SightlineError } from "../sightline-error.js";
import { sampleKey, type ImageInput } from "./embed-inputs.js";
import { imageOfMember, inputFiles, maxMemberBytes, type InputFiles } from "./input-files.js";
import { hasExtension, isTar, listInputs } from "./list-inputs.js";
import { isHidden, tarMembers } from "./tar-members.js";

/** An image by its name alone, to be read later, perhaps by another process. */
export interface ListedImage {
  /** WebDataset's sample key: the path up to the first dot of its last part. */
  readonly key: string;
  /** Where it is: a file, or a tar file and the member in it. */
  readonly path: string;
  /** The tar file that it is a member of, where it is one; the rest of the path is the member's name. */
  readonly tar?: string;
}

/**
 * The images that `imageFiles` would give for the same inputs, in the same order, without their bytes. A tar file that
 * cannot be read to its end comes as an entry with its error, after the members before that.
 * @throws SightlineError `bad-input` for an input that is not there or names nothing
 */
export async function listImages(inputs: readonly string[]): Promise<InputFiles<ListedImage & { readonly error?: SightlineError }>> {
  return inputFiles(await listInputs(inputs, "images"), async function* (file, onShare) {
    if (!isTar(file)) {
      yield { key: sampleKey(file), path: file };
      return;
    }
    try {
      for await (const { name } of tarMembers(file, { wanted: isImage, maxBytes: 0, onShare })) yield { key: sampleKey(name), path: `${file}/${name}`, tar: file };
    } catch (error) {
      if (!(error instanceof SightlineError)) throw error;
      yield { key: sampleKey(file), path: file, error };
    }
  });
}

/**
 * Listed images with what is needed to read them, in their order; a tar file is gone through once for members that follow one
 * another. What cannot be found comes with its error.
 * @param base the folder that relative paths start from; the working directory when left out
 */
export async function* readListedImages(images: Iterable<ListedImage>, base: string = "."): AsyncGenerator<ImageInput> {
  let members: ListedImage[] = [];
  for (const image of images) {
    if (members.length > 0 && image.tar !== members[0]?.tar) {
      yield* readMembers(members, base);
      members = [];
    }
    if (image.tar !== undefined) members.push(image);
    else yield { key: image.key, path: image.path, image: path.resolve(base, image.path) };
  }
  if (members.length > 0) yield* readMembers(members, base);
}

/** Members of one tar file, in the file's order. */
async function* readMembers(members: readonly ListedImage[], base: string): AsyncGenerator<ImageInput> {
  const tar = members[0]?.tar as string;
  const waiting = new Map(members.map((member) => [member.path.slice(tar.length + 1), member]));
  let problem: unknown;
  try {
    for await (const member of tarMembers(path.resolve(base, tar), { wanted: (name) => waiting.has(name), maxBytes: maxMemberBytes })) {
      const { key, path: from } = waiting.get(member.name) as ListedImage;
      // Of a name that comes twice, the first counts.
      waiting.delete(member.name);
      yield imageOfMember({ key, path: from }, member);
      if (waiting.size === 0) return;
    }
  } catch (error) {
    if (!(error instanceof SightlineError)) throw error;
    problem = error;
  }
  for (const { key, path: from } of waiting.values()) {
    yield { key, path: from, error: problem instanceof SightlineError ? problem : new SightlineError("bad-input", `readListedImages: ${from}: ${tar} has no such member any more; it was changed`) };
  }
}

/** An image by the path that `embed` gave it, which may be one within a tar file. */
export function listedImageOf({ key, path: from }: { readonly key: string; readonly path: string }): ListedImage {
  if (existsSync(from)) return { key, path: from };
  for (let slash = from.indexOf("/"); slash !== -1; slash = from.indexOf("/", slash + 1)) {
    const tar = from.slice(0, slash);
    if (isTar(tar) && existsSync(tar)) return { key, path: from, tar };
  }
  return { key, path: from };
}

function isImage(name: string): boolean {
  return hasExtension(name, "images") && !isHidden(name);
}
