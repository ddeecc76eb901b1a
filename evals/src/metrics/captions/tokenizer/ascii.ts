export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

export function isAsciiLetter(code: number): boolean {
  return (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

/** ASCII letters and figures: some kinds of words hold no others. */
export function isPlain(code: number): boolean {
  return isAsciiLetter(code) || isDigit(code);
}
