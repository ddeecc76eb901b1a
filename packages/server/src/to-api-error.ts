import { DecoderError, ImageError, SightlineError, type DecoderErrorCode, type SightlineErrorCode } from "sightline";
import { ApiError } from "./api-error.js";

/** Some messages quote what they refuse. */
const longestMessage = 500;

const contextFull = "context_length_exceeded";

/** What the library refuses because of what the request says. */
const requestFaults: ReadonlySet<SightlineErrorCode | DecoderErrorCode> = new Set(["invalid-message", "template-failed", "context-full", "bad-option", "bad-input", "no-token-fits"]);

/** What a client is told of any failure; what is not its own fault stays in the log. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof ImageError) {
    // The name of the source is ours; what is wrong with it is the client's.
    return new ApiError(400, shortened(error.message.replace(/^decodeImage: /, "image: ")), { code: `image_${error.code.replaceAll("-", "_")}`, cause: error });
  }
  if (error instanceof SightlineError || error instanceof DecoderError) {
    if (error.code === "disposed") return new ApiError(503, "the model is being unloaded; ask again", { code: "model_unloading", headers: { "retry-after": "1" }, cause: error });
    if (requestFaults.has(error.code)) {
      const code = error.code === "context-full" ? contextFull : error.code.replaceAll("-", "_");
      return new ApiError(400, shortened(error.message), { code, ...(error.code === "context-full" || error.code === "invalid-message" ? { param: "messages" } : {}), cause: error });
    }
  }
  return new ApiError(500, "internal error; the server's log has it under this request's id", { code: "internal_error", cause: error });
}

function shortened(message: string): string {
  return message.length <= longestMessage ? message : `${message.slice(0, longestMessage - 1)}…`;
}
