import { DecoderError, jsonSchemaGrammar } from "sightline";
import { ApiError } from "../api-error.js";

type Schema = Readonly<Record<string, unknown>>;

/** How an answer is to look, as both chat APIs say it; the Responses API has the schema beside the type. */
export type AskedFormat = { readonly type: "text" } | { readonly type: "json_object" } | { readonly type: "json_schema"; readonly schema: Schema };

const anyObject: Schema = { type: "object", additionalProperties: true };

/**
 * The JSON schema that an answer is held to, or undefined.
 * @param param the field of the request, for errors
 * @throws ApiError 400 for a schema that answers cannot be held to, before anything is computed
 */
export function answerSchema(format: AskedFormat | null | undefined, param: string): Schema | undefined {
  if (!format || format.type === "text") return undefined;
  if (format.type === "json_object") return anyObject;
  try {
    jsonSchemaGrammar(format.schema);
  } catch (error) {
    if (!(error instanceof DecoderError)) throw error;
    throw new ApiError(400, `${param}: ${error.message.slice(0, 400)}`, { param, code: "unsupported_schema", cause: error });
  }
  return format.schema;
}
