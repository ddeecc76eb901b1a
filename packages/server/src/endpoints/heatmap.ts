import { z } from "zod";
import { postEndpoint, type Endpoint } from "../endpoint.js";
import { RequestImages } from "../images/request-images.js";
import { imageField, imageText } from "./image-field.js";

const heatmapRequest = z
  .object({
    model: z.string().nullish().describe("The first SigLIP model when left out."),
    image: imageField,
    text: z.string().trim().min(1).max(1024).describe('What to look for, as in "a hamburger".'),
  })
  .meta({ id: "HeatmapRequest" });

const heatmapResponse = z
  .object({
    model: z.string(),
    probability: z.number().describe("How probable it is that the text is true of the picture as a whole."),
    grid: z.object({
      rows: z.int(),
      columns: z.int(),
      values: z
        .array(z.number())
        .describe("Cosine of each patch with the text, rows · columns of them: row by row from the top, each from the left. The grid covers the whole picture, as a person sees it (EXIF orientation applied), whatever its shape."),
    }),
  })
  .meta({ id: "HeatmapResponse" });

export const heatmap: Endpoint = postEndpoint({
  path: "/heatmap",
  id: "imageHeatmap",
  summary: "Says where in an image a text is true.",
  request: heatmapRequest,
  response: heatmapResponse,
  async handle({ server, scope, body }) {
    const served = server.models.find("siglip", body.model);
    scope.facts["model"] = served.name;
    const images = new RequestImages(server.images, server.settings.limits, scope.signal);
    const image = await images.open(imageText(body.image), "image");
    server.metrics.images("/heatmap", images.count);
    using turn = await server.models.turn(served, scope.signal);
    const { grid, scores, probability } = await turn.model.heatmap(image, body.text, { signal: scope.signal });
    return Response.json({ model: served.name, probability, grid: { rows: grid.rows, columns: grid.columns, values: [...scores] } } satisfies z.output<typeof heatmapResponse>);
  },
});
