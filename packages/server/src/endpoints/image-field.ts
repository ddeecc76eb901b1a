import { z } from "zod";

/** An image as an own field of a request: the same texts as in a chat's `image_url`, bare or as `{url}`. */
export const imageField: z.ZodType<string | { readonly url: string }> = z.union([z.string().min(1), z.object({ url: z.string().min(1) })]).describe("A data: URL, plain base64, an https: URL of an allowed host, or a file below the media folder.");

export function imageText(image: z.output<typeof imageField>): string {
  return typeof image === "string" ? image : image.url;
}
