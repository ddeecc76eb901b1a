/**
 * Turns the bytes of tokens into text: a character whose bytes are spread over tokens appears once it is whole.
 * Bytes that no continuation could make valid become U+FFFD, one for each maximal invalid part, as in the WHATWG standard.
 */
export class Utf8Stream {
  // ignoreBOM keeps a byte order mark in the text: it is what the model wrote.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** The text that is certain after these bytes; may be empty. */
  push(bytes: Uint8Array): string {
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** What remains at the end: U+FFFD for a character that never became whole, else nothing. */
  flush(): string {
    return this.#decoder.decode();
  }
}
