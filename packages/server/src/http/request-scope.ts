import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError } from "../api-error.js";

/** What a log line says of a request; numbers and names only. */
export type RequestFacts = Record<string, string | number | boolean>;

/** Nobody is left to read an answer. */
export class ClientGoneError extends ApiError {
  override readonly name = "ClientGoneError";

  constructor() {
    super(499, "the client went away", { code: "client_gone" });
  }
}

/** The request's time is up, or the server's. */
export class CutShortError extends ApiError {
  override readonly name = "CutShortError";
}

/** One request from its arrival to the last byte of its answer. */
export class RequestScope {
  readonly id: string;
  /** Aborts with an ApiError when the client is gone, the time is up or the server closes. */
  readonly signal: AbortSignal;
  /** Resolves when the answer is written or cannot be any more. */
  readonly ended: Promise<void>;
  readonly facts: RequestFacts = {};
  readonly incoming: IncomingMessage;
  /** Takes the limit of time away, for what may take hours. */
  readonly takeTime: () => void;

  /** @param closing aborts when answers under way must end */
  constructor(incoming: IncomingMessage, outgoing: ServerResponse, { seconds, closing }: { readonly seconds: number; readonly closing: AbortSignal }) {
    this.incoming = incoming;
    const asked = incoming.headers["x-request-id"];
    this.id = typeof asked === "string" && /^[\w.:-]{1,128}$/.test(asked) ? asked : randomUUID();
    const controller = new AbortController();
    this.signal = controller.signal;
    const late = setTimeout(() => controller.abort(new CutShortError(504, `expected the answer to begin within ${seconds} seconds`, { code: "time_limit" })), seconds * 1000);
    this.takeTime = () => clearTimeout(late);
    const close = (): void => controller.abort(new CutShortError(503, "the server is closing", { code: "closing" }));
    if (closing.aborted) close();
    closing.addEventListener("abort", close, { once: true });
    this.ended = new Promise((resolve) => {
      outgoing.once("close", () => {
        clearTimeout(late);
        closing.removeEventListener("abort", close);
        if (!outgoing.writableFinished) controller.abort(new ClientGoneError());
        resolve();
      });
    });
  }
}
