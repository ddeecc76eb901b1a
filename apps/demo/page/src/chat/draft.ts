import { newId, type Picture } from "../conversation/conversation";
import { observable, type Observable } from "../observable";
import { holdPicture, releasePicture } from "../pictures/picture-bytes";
import { preparePicture } from "../pictures/prepare-picture";
import { lookAt } from "../vision/looked-at";

/** The question that is being written, and its pictures. */
export interface Draft {
  readonly text: string;
  readonly pictures: readonly Picture[];
  /** Pictures that are being read and scaled. */
  readonly preparing: number;
  /** Why files were not taken. */
  readonly problem: string | undefined;
}

export const emptyDraft: Draft = { text: "", pictures: [], preparing: 0, problem: undefined };

export const draft: Observable<Draft> = observable(emptyDraft);

export const mostPictures = 8;

/** Puts pictures into the question, in the order in which they were given. */
export async function addFiles(files: readonly File[]): Promise<void> {
  const room = mostPictures - draft.get().pictures.length - draft.get().preparing;
  const taken = files.slice(0, Math.max(0, room));
  draft.update((now) => ({ ...now, preparing: now.preparing + taken.length, problem: files.length > taken.length ? `A question takes ${mostPictures} pictures at most.` : undefined }));
  // What has just come is what is looked at.
  lookAt(undefined);
  const prepared = await Promise.all(taken.map((file) => prepare(file)));
  draft.update((now) => {
    const pictures = prepared.filter((one): one is Picture => typeof one !== "string");
    const problems = prepared.filter((one): one is string => typeof one === "string");
    return { ...now, pictures: [...now.pictures, ...pictures], preparing: now.preparing - taken.length, problem: problems.length > 0 ? problems.join(" ") : now.problem };
  });
}

async function prepare(file: File): Promise<Picture | string> {
  try {
    return await holdFile(file);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * A file as a picture that can be asked about.
 * @throws Error with a sentence for the person who chose the file
 */
export async function holdFile(file: File): Promise<Picture> {
  const { blob, name, width, height } = await preparePicture(file);
  const id = newId();
  holdPicture(id, blob);
  return { id, name, width, height };
}

export function removePicture(id: string): void {
  draft.update((now) => ({ ...now, pictures: now.pictures.filter((picture) => picture.id !== id), problem: undefined }));
  releasePicture(id);
}
