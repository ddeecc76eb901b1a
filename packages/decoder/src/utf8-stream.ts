/**
 * Turns the bytes of tokens into text: a character whose bytes are spread over tokens appears once it is whole.
 * Bytes that no continuation could make valid become U+FFFD, one for each maximal invalid part, as in the WHATWG standard.
 */
export class Utf8Stream {
  // ignoreBOM keeps a byte order mark in the text: it is what the model wrote.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Whether the decoder may hold the beginning of a character. */
  #open = false;

  /**
   * The text that is certain after these bytes; may be empty.
   * @param whole the bytes' text where they are valid UTF-8 of their own, as those of nearly all tokens are: nothing is
   *   decoded then, unless a character is open
   */
  push(bytes: Uint8Array, whole?: string): string {
    if (whole !== undefined && !this.#open) return whole;
    // Whole characters also close what came before: it can only have been invalid.
    this.#open = whole === undefined;
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** What remains at the end: U+FFFD for a character that never became whole, else nothing. */
  flush(): string {
    this.#open = false;
    return this.#decoder.decode();
  }
}
