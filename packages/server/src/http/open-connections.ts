import type { Server } from "node:http";
import type { Socket } from "node:net";

/**
 * The connections of a server, and which of them wait for an answer. Node's `closeIdleConnections` passes over those that
 * have not sent a request yet, as clients open them ahead, and `close` would wait for them.
 */
export class OpenConnections {
  readonly #all = new Set<Socket>();
  /** How many answers each waits for; a client may ask again before it has one. */
  readonly #answering = new Map<Socket, number>();

  constructor(server: Server) {
    server.on("connection", (socket) => {
      this.#all.add(socket);
      socket.once("close", () => {
        this.#all.delete(socket);
        this.#answering.delete(socket);
      });
    });
    server.on("request", ({ socket }, response) => {
      this.#answering.set(socket, (this.#answering.get(socket) ?? 0) + 1);
      response.once("close", () => {
        const left = this.#answering.get(socket);
        if (left !== undefined) this.#answering.set(socket, left - 1);
      });
    });
  }

  /** Ends those that wait for no answer, once what was written to them is sent. */
  endIdle(): void {
    for (const socket of this.#all) if ((this.#answering.get(socket) ?? 0) === 0) socket.destroySoon();
  }
}
