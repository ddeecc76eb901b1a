/** One event of a stream. */
export interface ServerSentEvent {
  readonly event?: string;
  readonly data: string;
}

/**
 * A response of server-sent events (WHATWG HTML, 9.2), written as they come. Events that are ready at once go out together.
 * When the reader goes away, the events' iterator is returned, which must end what produces them.
 */
export function eventStream(events: AsyncIterable<ServerSentEvent>, headers: Readonly<Record<string, string>> = {}): Response {
  const encoder = new TextEncoder();
  const iterator = events[Symbol.asyncIterator]();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done === true) controller.close();
        else controller.enqueue(encoder.encode(spelled(next.value)));
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no", "transfer-encoding": "chunked", ...headers } });
}

function spelled({ event, data }: ServerSentEvent): string {
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${data}\n\n`;
}

