import { Validator } from "@seriousme/openapi-schema-validator";
import { openApiDocument, type RunningServer } from "@sightline/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { aboutScene, events, miniServer, post, sceneUrl } from "./mini-server.js";

/** As deep as tests look into it. */
interface Json {
  readonly [key: string]: Json;
}
const document = openApiDocument() as unknown as Json;

let server: RunningServer;
beforeAll(async () => {
  server = await miniServer();
});
afterAll(() => server.close());

const schemaOf = (path: string, status: string, type: string): Json => {
  const [operation] = Object.values((document["paths"] as Json)[path] as Json);
  return ["responses", status, "content", type, "schema"].reduce((at, key) => at[key] as Json, operation as Json);
};

/** A schema of the document as a check, with what it refers to. */
function checkOf(schema: Json): z.ZodType {
  const relocated = (value: unknown): Json => JSON.parse(JSON.stringify(value), (key, inner: unknown) => (key === "$ref" ? String(inner).replace("#/components/schemas/", "#/$defs/") : inner)) as Json;
  return z.fromJSONSchema({ ...relocated(schema), $defs: relocated((document["components"] as Json)["schemas"]) } as Parameters<typeof z.fromJSONSchema>[0]);
}

describe("the OpenAPI document", () => {
  it("is valid OpenAPI 3.1, and is what the server serves", async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document));
    expect(result).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
    expect(await (await fetch(`${server.url}/openapi.json`)).json()).toEqual(JSON.parse(JSON.stringify(document)));
  });

  it("names every path, and every path is there", async () => {
    const paths = Object.entries(document["paths"] as Json).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
    expect(paths.sort()).toEqual([
      "GET /v1/health", "GET /v1/metrics", "GET /v1/models", "GET /v1/models/{id}", "POST /v1/chat/completions", "POST /v1/embeddings", "POST /v1/heatmap", "POST /v1/models/pull", "POST /v1/responses", "POST /v1/tag",
    ]);
    for (const entry of paths) {
      const [method, path] = entry.split(" ") as [string, string];
      for (const where of [path, path.slice(3)]) {
        const response = await fetch(server.url + where.replace("{id}", "mini"), { method, ...(method === "POST" ? { body: "{}", headers: { "content-type": "application/json" } } : {}) });
        expect([entry, response.status]).toEqual([entry, method === "GET" ? 200 : 400]);
      }
    }
  });

  it("describes what the server answers", async () => {
    const answers: Record<string, unknown> = {
      "/v1/chat/completions": { messages: [aboutScene()], logprobs: true, top_logprobs: 1 },
      "/v1/responses": { input: "Hello", max_output_tokens: 4 },
      "/v1/embeddings": { input: ["a cat"] },
      "/v1/tag": { image: sceneUrl, labels: ["cat"] },
      "/v1/heatmap": { image: sceneUrl, text: "cat" },
    };
    for (const [path, body] of Object.entries(answers)) {
      const { status, json } = await post(server, path, body);
      expect([path, status]).toEqual([path, 200]);
      const check = checkOf(schemaOf(path, "200", "application/json"));
      expect(check.safeParse(json)).toMatchObject({ success: true });
      expect(check.safeParse({ ...json, model: 7 })).toMatchObject({ success: false });
      const failed = await post(server, path, {});
      expect(checkOf(schemaOf(path, "default", "application/json")).safeParse(failed.json)).toMatchObject({ success: true });
    }
    const chunkOf = checkOf(schemaOf("/v1/chat/completions", "200", "text/event-stream"));
    for (const { data } of (await events(server, "/v1/chat/completions", { messages: [aboutScene()], stream: true, stream_options: { include_usage: true } })).slice(0, -1)) {
      expect(chunkOf.safeParse(JSON.parse(data))).toMatchObject({ success: true });
    }
    expect(checkOf(schemaOf("/v1/models", "200", "application/json")).safeParse(await (await fetch(`${server.url}/v1/models`)).json())).toMatchObject({ success: true });
  });
});
