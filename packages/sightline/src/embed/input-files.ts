import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { ImageError } from "@sightline/vision-tower";
import { SightlineError } from "../sightline-error.js";
import { byteLines } from "./byte-lines.js";
import { sampleKey, type ImageInput, type TextInput } from "./embed-inputs.js";
import { hasExtension, isTar, listInputs, type InputKind } from "./list-inputs.js";
import { isHidden, tarMembers, type TarMember } from "./tar-members.js";

/** Inputs that are read as they are asked for. */
export interface InputFiles<T> extends AsyncIterable<T> {
  /** The files, tar files being one each. */
  readonly files: number;
  /** How much of the files has been asked for, 0 to 1; a tar file or a file of texts counts as it is read. */
  share(): number;
}

/** As `decodeImage`'s own limit. */
export const maxMemberBytes: number = 64 * 2 ** 20;

/**
 * Images of files, folders (with the folders in them, sorted), globs, tar files (WebDataset shards), `{000..010}` runs
 * of them, and lists of paths (`@list.txt`, `-` for stdin), in that order. What cannot be read comes with its error.
 * @throws SightlineError `bad-input` for an input that is not there or names nothing
 */
export async function imageFiles(inputs: readonly string[]): Promise<InputFiles<ImageInput>> {
  return inputFiles(await listInputs(inputs, "images"), async function* (file, onShare): AsyncGenerator<ImageInput> {
    if (!isTar(file)) {
      yield { key: sampleKey(file), path: file, image: file };
      return;
    }
    yield* fromTar(file, "images", onShare, imageOfMember);
  });
}

/** A member of a tar file as an image to embed, or why it is none. */
export function imageOfMember(named: Name, { bytes, size }: TarMember): ImageInput {
  return bytes
    ? { ...named, image: bytes }
    : { ...named, error: new ImageError("too-many-bytes", named.path, `has ${size} bytes, and the limit is ${maxMemberBytes}; use a smaller file`) };
}

/**
 * Texts of the same kinds of inputs: each line of a file, blank ones left out; each .txt file of a folder likewise; each
 * .txt member of a tar file as one text; with `-`, the lines of stdin.
 * @throws as `imageFiles`
 */
export async function textFiles(inputs: readonly string[]): Promise<InputFiles<TextInput>> {
  return inputFiles(await listInputs(inputs, "texts"), async function* (file, onShare): AsyncGenerator<TextInput> {
    if (!isTar(file)) yield* textLines(file, onShare);
    else yield* fromTar(file, "texts", onShare, (named, { bytes }) => textInput(named, bytes ?? new Uint8Array(0)));
  });
}

type OnShare = (share: number) => void;

/** Goes through files as they are asked for, counting. */
export function inputFiles<T>(files: readonly string[], open: (file: string, onShare: OnShare) => AsyncGenerator<T>): InputFiles<T> {
  let done = 0;
  let part = 0;
  return {
    files: files.length,
    share: () => (files.length === 0 ? 1 : (done + part) / files.length),
    async *[Symbol.asyncIterator]() {
      for (done = 0; done < files.length; done++) {
        part = 0;
        yield* open(files[done] as string, (share) => (part = Math.min(1, share)));
      }
      part = 0;
    },
  };
}

export type Name = { readonly key: string; readonly path: string };

async function* fromTar<T>(file: string, kind: InputKind, onShare: OnShare, input: (named: Name, member: TarMember) => T): AsyncGenerator<T | (Name & { error: Error })> {
  try {
    const wanted = (name: string): boolean => hasExtension(name, kind) && !isHidden(name);
    for await (const member of tarMembers(file, { wanted, maxBytes: maxMemberBytes, onShare })) {
      yield input({ key: sampleKey(member.name), path: `${file}/${member.name}` }, member);
    }
  } catch (error) {
    if (!(error instanceof SightlineError)) throw error;
    yield { key: sampleKey(file), path: file, error };
  }
}

async function* textLines(file: string, onShare: OnShare): AsyncGenerator<TextInput> {
  let number = 0;
  try {
    const total = file === "-" ? 0 : (await stat(file)).size;
    for await (const { bytes, end } of byteLines(file === "-" ? process.stdin : createReadStream(file))) {
      number++;
      if (total > 0) onShare(end / total);
      const input = textInput({ key: `${file}:${number}`, path: `${file}:${number}` }, bytes);
      if ("error" in input || input.text !== "") yield input;
    }
  } catch (cause) {
    if (!(cause instanceof Error && "syscall" in cause)) throw cause;
    yield { key: sampleKey(file), path: file, error: new SightlineError("bad-input", `textFiles: ${file}: cannot be read; check the path`, { cause }) };
  }
}

function textInput(named: Name, bytes: Uint8Array): TextInput {
  try {
    // It takes a byte order mark away too.
    return { ...named, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes).trim() };
  } catch (cause) {
    return { ...named, error: new SightlineError("bad-input", `textFiles: ${named.path}: is not UTF-8; convert it`, { cause }) };
  }
}
