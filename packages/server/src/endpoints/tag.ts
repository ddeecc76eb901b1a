import { z } from "zod";
import { ApiError } from "../api-error.js";
import { postEndpoint, type Endpoint } from "../endpoint.js";
import { RequestImages } from "../images/request-images.js";
import { imageField, imageText } from "./image-field.js";

const template = z.string().max(256).refine((text) => text.includes("{label}"), "expected {label} in it, where the label goes");

const tagRequest = z
  .object({
    model: z.string().nullish().describe("The first SigLIP model when left out."),
    image: imageField,
    labels: z.array(z.string().max(256)).min(1),
    template: template.nullish().describe('How a label is put to the text tower; "a photo of {label}" when left out.'),
    templates: z.array(template).min(1).max(100).nullish().describe("Several: the mean of a label's embeddings counts."),
    threshold: z.number().min(0).max(1).nullish().describe("Probability from which a label counts; 0.5 when left out."),
  })
  .meta({ id: "TagRequest" });

const tagResponse = z
  .object({
    model: z.string(),
    tags: z.array(z.object({ label: z.string(), probability: z.number().describe("How probable it is that this label is true, whatever the others are.") })).describe("The likeliest first."),
    none_of_the_above: z.boolean().describe("Whether no label reaches the threshold."),
  })
  .meta({ id: "TagResponse" });

export const tag: Endpoint = postEndpoint({
  path: "/tag",
  id: "tagImage",
  summary: "Says which labels are true of an image, each with a probability of its own.",
  request: tagRequest,
  response: tagResponse,
  async handle({ server, scope, body }) {
    const { limits } = server.settings;
    const texts = body.labels.length * (body.templates?.length ?? 1);
    if (texts > limits.labels) throw new ApiError(400, `labels: expected at most ${limits.labels}, times the templates, got ${texts}`, { param: "labels", code: "too_many_labels" });
    const served = server.models.find("siglip", body.model);
    scope.facts["model"] = served.name;
    const images = new RequestImages(server.images, limits, scope.signal);
    const image = await images.open(imageText(body.image), "image");
    server.metrics.images("/tag", images.count);
    using turn = await server.models.turn(served, scope.signal);
    const { tags, noneOfTheAbove } = await turn.model.tag(image, body.labels, {
      signal: scope.signal,
      ...(typeof body.threshold === "number" ? { threshold: body.threshold } : {}),
      ...(body.templates ? { template: body.templates } : body.template ? { template: body.template } : {}),
    });
    return Response.json({ model: served.name, tags: [...tags], none_of_the_above: noneOfTheAbove } satisfies z.output<typeof tagResponse>);
  },
});
