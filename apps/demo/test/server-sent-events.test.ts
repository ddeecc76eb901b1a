import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { serverSentEvents, ServerSentEventParser, type ServerSentEvent } from "../page/src/api/server-sent-events";

const parseWhole = (text: string): ServerSentEvent[] => new ServerSentEventParser().push(text);

/** Cuts a text at the given places, each a share of its length. */
function pieces(text: string, cuts: readonly number[]): string[] {
  const places = [0, ...cuts.map((cut) => Math.floor(cut * text.length)).sort((a, b) => a - b), text.length];
  return places.slice(1).map((end, index) => text.slice(places[index], end));
}

const line = fc.string({ unit: "grapheme" }).map((text) => text.replace(/[\r\n]/g, ""));
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
const newline = fc.constantFrom("\n", "\r\n", "\r");

describe("the parser of server-sent events", () => {
  it("gives back the events that were written, however they are cut and whatever ends their lines", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ name: fc.constantFrom("", "pull", "done"), lines: fc.array(line, { minLength: 1, maxLength: 4 }) }), { maxLength: 6 }), newline, cuts, (events, end, at) => {
        const written = events.map(({ name, lines }) => `${name ? `event: ${name}${end}` : ""}${lines.map((one) => `data: ${one}${end}`).join("")}${end}`).join("");
        const parser = new ServerSentEventParser();
        // What follows settles a CR at the very end.
        const read = [...pieces(written, at), ":\n"].flatMap((piece) => parser.push(piece));
        expect(read).toEqual(events.map(({ name, lines }) => ({ event: name || "message", data: lines.join("\n") })));
      }),
    );
  });

  it("gives the same events for any text, whole or in pieces", () => {
    const noise = fc.string({ unit: fc.constantFrom("\r", "\n", ":", " ", "d", "data: x", "event: y", "\u{FEFF}", "é") });
    fc.assert(
      fc.property(noise, cuts, (text, at) => {
        const parser = new ServerSentEventParser();
        expect(pieces(text, at).flatMap((piece) => parser.push(piece))).toEqual(parseWhole(text));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ["data: a\n\n", [{ event: "message", data: "a" }]],
    ["data:a\ndata:  b\n\n", [{ event: "message", data: "a\n b" }]],
    ["data\n\n", [{ event: "message", data: "" }]],
    [": a comment\nid: 4\nretry: 10\n\n", []],
    ["event: pull\n\ndata: a\n\n", [{ event: "message", data: "a" }]],
    ["data: unfinished\n", []],
    ["\u{FEFF}data: a\n\n", [{ event: "message", data: "a" }]],
  ])("reads %j as the standard does", (text, events) => {
    expect(parseWhole(text)).toEqual(events);
  });

  it("joins characters that were cut between bytes, and cancels the body when its reader leaves", async () => {
    const bytes = new TextEncoder().encode("data: 🦀\n\ndata: second\n\n");
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => [bytes.slice(0, 8), bytes.slice(8)].forEach((part) => controller.enqueue(part)),
      cancel: () => void (cancelled = true),
    });
    for await (const { data } of serverSentEvents(body)) {
      expect(data).toBe("🦀");
      break;
    }
    expect(cancelled).toBe(true);
  });
});
