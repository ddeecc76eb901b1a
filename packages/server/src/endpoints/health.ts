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
    const { state } = server.startup;
    const status = state === "ready" ? "ok" : state === "loading" ? "loading" : "error";
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
