/** One event of a stream: its name ("message" when it has none) and its data, lines joined by "\n". */
export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/**
 * Takes the text of a `text/event-stream` in pieces cut anywhere, and gives the events that each piece completes, as the
 * HTML standard parses them: CR, LF and CRLF end a line, a blank line ends an event, an event without data is none.
 */
export class ServerSentEventParser {
  #rest = "";
  #name = "";
  #data: string[] = [];
  #begun = false;

  push(piece: string): ServerSentEvent[] {
    let text = this.#rest + piece;
    if (!this.#begun && text !== "") {
      this.#begun = true;
      if (text.startsWith("\u{FEFF}")) text = text.slice(1);
    }
    const events: ServerSentEvent[] = [];
    let start = 0;
    for (;;) {
      const end = lineEnd(text, start);
      if (end === undefined) break;
      const event = this.#line(text.slice(start, end.at));
      if (event) events.push(event);
      start = end.next;
    }
    this.#rest = text.slice(start);
    return events;
  }

  #line(line: string): ServerSentEvent | undefined {
    if (line === "") {
      const event = this.#data.length === 0 ? undefined : { event: this.#name || "message", data: this.#data.join("\n") };
      this.#name = "";
      this.#data = [];
      return event;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#name = value;
    return undefined;
  }
}

/** Where the line that begins at `start` ends, if that is known: a CR at the end of a piece may be half of a CRLF. */
function lineEnd(text: string, start: number): { at: number; next: number } | undefined {
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === "\n") return { at, next: at + 1 };
    if (character !== "\r") continue;
    if (at + 1 === text.length) return undefined;
    return { at, next: text[at + 1] === "\n" ? at + 2 : at + 1 };
  }
  return undefined;
}

/** The events of a response's body as they come; leaving the loop early cancels the response. */
export async function* serverSentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new ServerSentEventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      yield* parser.push(done ? decoder.decode() : decoder.decode(value, { stream: true }));
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
