/** Training that cannot start or go on; the message names the function, what it expected and what came. */
export class TrainingError extends Error {
  override readonly name: string = "TrainingError";
}
