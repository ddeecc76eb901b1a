import { unitRows } from "sightline";
import { z } from "zod";
import { ApiError } from "../api-error.js";
import { postEndpoint, type Endpoint } from "../endpoint.js";
import { RequestImages } from "../images/request-images.js";

const imagePart = z.object({ type: z.literal("image_url"), image_url: z.union([z.string().min(1), z.object({ url: z.string().min(1) })]) });
/** Of the text tower, a few dozen tokens count; the rest would only take time. */
const text = z.string().min(1).max(8192);
const textPart = z.object({ type: z.literal("text"), text });

const content = z.object({
  content: z
    .union([text, z.array(z.discriminatedUnion("type", [imagePart, textPart], { error: 'expected a part of type "text" or "image_url"' })).length(1, "expected one part, a text or an image: each has an embedding of its own")])
    .describe("One text or one image."),
});
const entry = z.union([text, content], { error: "expected a text, or an object with content; tokens are not taken" });

const embeddingsRequest = z
  .object({
    model: z.string().nullish().describe("The first SigLIP model when left out."),
    input: z.union([text, content, z.array(entry).min(1)]).describe("Texts and images, in any order."),
    encoding_format: z.enum(["float", "base64"]).nullish().describe("base64: little-endian float32."),
    dimensions: z.null({ error: "expected none: a SigLIP embedding has one width" }).optional(),
  })
  .meta({ id: "EmbeddingsRequest" });

const embeddingsResponse = z
  .object({
    object: z.literal("list"),
    model: z.string(),
    data: z.array(z.object({ object: z.literal("embedding"), index: z.int(), embedding: z.union([z.array(z.number()), z.string()]).describe("Of unit length.") })),
    usage: z.object({ prompt_tokens: z.int().describe("Tokens of the texts, as far as the tower reads them, and patches of the images."), total_tokens: z.int() }),
  })
  .meta({ id: "EmbeddingsResponse" });

export const embeddings: Endpoint = postEndpoint({
  path: "/embeddings",
  id: "createEmbeddings",
  summary: "Embeds texts and images into one space, by SigLIP.",
  request: embeddingsRequest,
  response: embeddingsResponse,
  async handle({ server, scope, body }) {
    const { limits } = server.settings;
    const inputs = Array.isArray(body.input) ? body.input : [body.input];
    if (inputs.length > limits.inputs) throw new ApiError(400, `input: expected at most ${limits.inputs} entries, got ${inputs.length}`, { param: "input", code: "too_many_inputs" });
    const served = server.models.find("siglip", body.model);
    scope.facts["model"] = served.name;
    const opened = new RequestImages(server.images, { ...limits, images: Math.max(limits.images, limits.inputs) }, scope.signal);
    const texts: { readonly index: number; readonly text: string }[] = [];
    const images: { readonly index: number; readonly image: Uint8Array | string }[] = [];
    for (const [index, input] of inputs.entries()) {
      const found = partOf(input);
      if ("text" in found) texts.push({ index, text: found.text });
      else images.push({ index, image: await opened.open(found.image, `input[${index}]`) });
    }
    const characters = texts.reduce((sum, { text }) => sum + text.length, 0);
    if (characters > limits.characters) throw new ApiError(400, `input: expected at most ${limits.characters} characters of text, got ${characters}`, { param: "input", code: "too_many_characters" });
    server.metrics.images("/embeddings", images.length);
    using turn = await server.models.turn(served, scope.signal);
    const { signal } = scope;
    const rows = new Map<number, Float32Array>();
    let tokens = 0;
    if (images.length > 0) {
      const { pooled, pooledWidth, grids } = await turn.model.encodeImages(images.map(({ image }) => image), { signal });
      const unit = unitRows(pooled, pooledWidth);
      images.forEach(({ index }, i) => rows.set(index, unit.slice(i * pooledWidth, (i + 1) * pooledWidth)));
      tokens += grids.reduce((sum, grid) => sum + grid.rows * grid.columns, 0);
    }
    if (texts.length > 0) {
      const flat = await turn.model.encodeTexts(texts.map(({ text }) => text), { signal });
      tokens += await turn.model.countTokens(texts.map(({ text }) => text));
      const width = flat.length / texts.length;
      const unit = unitRows(flat, width);
      texts.forEach(({ index }, i) => rows.set(index, unit.slice(i * width, (i + 1) * width)));
    }
    const spelled = (row: Float32Array): number[] | string => (body.encoding_format === "base64" ? base64(row) : [...row]);
    return Response.json({
      object: "list",
      model: served.name,
      data: inputs.map((_, index) => ({ object: "embedding", index, embedding: spelled(rows.get(index) as Float32Array) })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    } satisfies z.output<typeof embeddingsResponse>);
  },
});

function partOf(input: z.output<typeof entry>): { readonly text: string } | { readonly image: string } {
  const content = typeof input === "string" ? input : input.content;
  if (typeof content === "string") return { text: content };
  const [part] = content as [z.output<typeof imagePart> | z.output<typeof textPart>];
  if (part.type === "text") return { text: part.text };
  return { image: typeof part.image_url === "string" ? part.image_url : part.image_url.url };
}

function base64(row: Float32Array): string {
  const bytes = Buffer.alloc(row.length * 4);
  row.forEach((value, i) => bytes.writeFloatLE(value, i * 4));
  return bytes.toString("base64");
}
