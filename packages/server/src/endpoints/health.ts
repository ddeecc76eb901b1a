import { z } from "zod";
import type { Endpoint } from "../endpoint.js";

const healthResponse = z.object({ status: z.enum(["ok", "loading", "error"]) }).meta({ id: "Health" });

export const health: Endpoint = {
  method: "GET",
  path: "/health",
  id: "health",
  summary: "200 once the first model is loaded; 503 until then.",
  response: healthResponse,
  open: true,
  async handle({ server }) {
    // One that could not be loaded at first may have been since.
    const loaded = server.startup.state === "ready" || server.models.all()[0]?.model.status === "loaded";
    const status = loaded ? "ok" : server.startup.state === "loading" ? "loading" : "error";
    return Response.json({ status } satisfies z.output<typeof healthResponse>, { status: status === "ok" ? 200 : 503 });
  },
};

export const metrics: Endpoint = {
  method: "GET",
  path: "/metrics",
  id: "metrics",
  summary: "Figures for Prometheus.",
  async handle({ server }) {
    const { registry } = server.metrics;
    return new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } });
  },
};
