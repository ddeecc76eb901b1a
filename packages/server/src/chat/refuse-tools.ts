import { ApiError } from "../api-error.js";

/** Throws ApiError 400 where a request wants tools to be called: an answer that ignored them would look like a decision. */
export function refuseTools({ tools, tool_choice: choice, functions }: { readonly tools?: readonly unknown[] | null | undefined; readonly tool_choice?: unknown; readonly functions?: readonly unknown[] | null | undefined }): void {
  const param = (functions?.length ?? 0) > 0 ? "functions" : "tools";
  if (param === "tools" && ((tools?.length ?? 0) === 0 || choice === "none")) return;
  throw new ApiError(400, `${param}: tools are not supported; leave them out, or ask for JSON with response_format`, { param, code: "tools_not_supported" });
}
