import { z } from "zod";
import { ApiError } from "../api-error.js";
import { postEndpoint, type Endpoint } from "../endpoint.js";
import { eventStream, type ServerSentEvent } from "../http/server-sent-events.js";
import { listedModel, type ListedModel } from "../models/served-model.js";
import type { PullProgress } from "../server-options.js";
import type { ServerContext } from "../server-context.js";
import { toApiError } from "../to-api-error.js";

const listed = z
  .object({
    id: z.string(),
    object: z.literal("model"),
    created: z.int(),
    owned_by: z.literal("sightline"),
    kind: z.enum(["chat", "siglip"]),
    status: z.enum(["loaded", "available", "downloading"]).describe("An available one is loaded by the first request that asks for it, once it is here."),
    download_bytes: z.number().nullable().optional().describe("Of a model that POST /v1/models/pull has to fetch first: about how much, null where that is not known."),
    input_modalities: z.array(z.enum(["text", "image"])).readonly(),
    output_modalities: z.array(z.enum(["text", "embedding"])).readonly(),
  })
  .meta({ id: "Model" });

const modelList = z.object({ object: z.literal("list"), data: z.array(listed) }).meta({ id: "ModelList" });

function allListed({ models, pulls }: ServerContext): ListedModel[] {
  return [...models.all().map(listedModel), ...pulls.listed()];
}

export const listModels: Endpoint = {
  method: "GET",
  path: "/models",
  id: "listModels",
  summary: "The models that are served, with what they take and whether they are loaded.",
  response: modelList,
  handle: async ({ server }) => Response.json({ object: "list", data: allListed(server) } satisfies z.output<typeof modelList>),
};

export const retrieveModel: Endpoint = {
  method: "GET",
  path: "/models/{id}",
  id: "retrieveModel",
  summary: "One of the models.",
  response: listed,
  async handle({ server, parameter }) {
    const found = allListed(server).find(({ id }) => id === parameter);
    if (!found) throw new ApiError(404, "there is no model of this name; GET /v1/models lists them", { param: "model", code: "model_not_found" });
    return Response.json(found satisfies z.output<typeof listed>);
  },
};

export const pullModel: Endpoint = postEndpoint({
  path: "/models/pull",
  id: "pullModel",
  summary: 'Fetches a model and loads it; one that is served already is loaded. Events tell how far it is, in bytes where they are known; the last one has the status "success" and the model, or is an error.',
  request: z.object({ model: z.string().min(1).max(500) }).meta({ id: "PullRequest" }),
  streams: true,
  async handle({ server, scope, body }) {
    scope.takeTime();
    const progress = new Progress();
    const pulled = server.pulls.pull(body.model, { signal: scope.signal, onProgress: (event) => progress.push(event) });
    pulled.then(
      (model) => progress.end(`${JSON.stringify({ status: "success", model })}`),
      (error: unknown) => progress.end(JSON.stringify(toApiError(error).body())),
    );
    // What is refused at once has a status of its own.
    await Promise.race([pulled, progress.begun]);
    return eventStream(progress);
  },
});

/** Events of a pull, for one reader; of progress that nobody has read yet only the newest counts. */
class Progress implements AsyncIterable<ServerSentEvent> {
  readonly begun: Promise<void>;
  #began: () => void = () => {};
  #newest: string | undefined;
  #last: string | undefined;
  #wake: () => void = () => {};

  constructor() {
    this.begun = new Promise((resolve) => (this.#began = resolve));
  }

  push({ status, file, loadedBytes, totalBytes }: PullProgress): void {
    this.#newest = JSON.stringify({ status, file, loaded: loadedBytes, total: totalBytes });
    this.#began();
    this.#wake();
  }

  end(data: string): void {
    this.#last = data;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ServerSentEvent, void> {
    for (;;) {
      const data = this.#newest;
      this.#newest = undefined;
      if (data !== undefined) yield { data };
      else if (this.#last !== undefined) break;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    yield { data: this.#last };
    yield { data: "[DONE]" };
  }
}
