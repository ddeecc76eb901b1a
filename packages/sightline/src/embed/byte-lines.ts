/** One line of a stream of bytes. */
export interface ByteLine {
  /** Without its end. */
  readonly bytes: Uint8Array;
  /** Where the next line starts, in bytes from the start of the stream. */
  readonly end: number;
  /** Whether a newline came after it; only a last line can lack one. */
  readonly complete: boolean;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

/** Cuts a stream at "\n" or "\r\n", holding one line at a time. An empty last line is no line. */
export async function* byteLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ByteLine> {
  let pieces: Uint8Array[] = [];
  let end = 0;
  const line = (last: Uint8Array, complete: boolean): ByteLine => {
    const bytes = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
    pieces = [];
    return { bytes: complete && bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes, end, complete };
  };
  for await (const chunk of stream) {
    let start = 0;
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, start)) {
      end += at + 1 - start;
      yield line(chunk.subarray(start, at), true);
      start = at + 1;
    }
    if (start < chunk.length) {
      end += chunk.length - start;
      pieces.push(chunk.subarray(start));
    }
  }
  if (pieces.length > 0) yield line(new Uint8Array(0), false);
}
