/** A projector that cannot be built from a file; the message names the file, what was expected and what came. */
export class ProjectorError extends Error {
  override readonly name: string = "ProjectorError";
}
