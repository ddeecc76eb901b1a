import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ModelPool } from "./models/model-pool.js";

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** What Prometheus reads. */
export class Metrics {
  readonly registry: Registry = new Registry();
  readonly #requests = this.#counter("sightline_http_requests_total", "Requests answered, by endpoint and status.", ["endpoint", "status"]);
  readonly #requestSeconds = this.#histogram("sightline_http_request_seconds", "From a request's arrival to the last byte of its answer.", ["endpoint"]);
  readonly #firstToken = this.#histogram("sightline_time_to_first_token_seconds", "From a chat's turn to its first text.", ["model"]);
  readonly #tokens = this.#counter("sightline_tokens_total", "Tokens of chats: of prompts, those of them that a cache held or images took, and of answers.", ["model", "kind"]);
  readonly #images = this.#counter("sightline_images_total", "Images that requests brought.", ["endpoint"]);
  readonly #aborted = this.#counter("sightline_answers_aborted_total", "Answers that ended because the client went away.", ["model"]);

  constructor(models: () => ModelPool) {
    const gauge = (name: string, help: string, labelNames: string[], collect: (set: (labels: Record<string, string>, value: number) => void) => void): void => {
      const read = new Gauge({
        name, help, labelNames, registers: [],
        collect() {
          this.reset();
          collect((labels, value) => this.set(labels, value));
        },
      });
      this.registry.registerMetric(read);
    };
    gauge("sightline_model_loaded", "1 where the model is loaded.", ["model", "kind"], (set) => {
      for (const { name: model, kind, model: { status } } of models().all()) set({ model, kind }, status === "loaded" ? 1 : 0);
    });
    gauge("sightline_requests_running", "Requests that a model works on.", ["model"], (set) => {
      for (const { name: model, queue } of models().all()) set({ model }, queue.running);
    });
    gauge("sightline_requests_waiting", "Requests that wait for a model.", ["model"], (set) => {
      for (const { name: model, queue } of models().all()) set({ model }, queue.waiting);
    });
    gauge("sightline_images_encoded", "Images that a chat's tower has encoded since it was loaded; one that was seen before is not encoded again.", ["model"], (set) => {
      for (const served of models().all()) if (served.kind === "chat" && served.model.loaded) set({ model: served.name }, served.model.loaded.encodes);
    });
    gauge("process_resident_memory_bytes", "Resident memory of the process.", [], (set) => set({}, process.memoryUsage.rss()));
    gauge("process_cpu_seconds_total", "CPU time of the process.", [], (set) => {
      const { user, system } = process.cpuUsage();
      set({}, (user + system) / 1e6);
    });
  }

  request(endpoint: string, status: number, elapsedSeconds: number): void {
    this.#requests.inc({ endpoint, status: String(status) });
    this.#requestSeconds.observe({ endpoint }, elapsedSeconds);
  }

  images(endpoint: string, count: number): void {
    if (count > 0) this.#images.inc({ endpoint }, count);
  }

  answer(model: string, { ttftMs, prompt, reused, image, completion, aborted }: { readonly ttftMs: number; readonly prompt: number; readonly reused: number; readonly image: number; readonly completion: number; readonly aborted: boolean }): void {
    this.#firstToken.observe({ model }, ttftMs / 1000);
    this.#tokens.inc({ model, kind: "prompt" }, prompt);
    this.#tokens.inc({ model, kind: "cached" }, reused);
    this.#tokens.inc({ model, kind: "image" }, image);
    this.#tokens.inc({ model, kind: "completion" }, completion);
    if (aborted) this.#aborted.inc({ model });
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #histogram(name: string, help: string, labelNames: string[]): Histogram {
    return new Histogram({ name, help, labelNames, buckets: seconds, registers: [this.registry] });
  }
}
