/** A weight file that cannot be believed or written; the message names the file, the tensor and the numbers. */
export class WeightsError extends Error {
  override readonly name: string = "WeightsError";
}
