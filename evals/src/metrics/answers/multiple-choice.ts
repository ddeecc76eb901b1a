/**
 * The letter that an answer chooses: alone, with a bracket, dot or colon, behind "answer is" or "option", or by saying an
 * option's text and no other's. Undefined when it chooses none.
 */
export function chosenLetter(answer: string, options: readonly string[]): string | undefined {
  const letters = options.map((_, i) => String.fromCharCode(65 + i));
  const known = (letter: string | undefined): string | undefined => (letter !== undefined && letters.includes(letter.toUpperCase()) ? letter.toUpperCase() : undefined);
  const text = answer.trim();
  const first = known(/^[\s("'*[]*([A-Za-z])(?:[\s)."'*\]:,]*$|[).:,\]])/.exec(text)?.[1]) ?? known(/(?:answer(?:\s+is)?|option|choice)\s*:?\s*[("'*[]*([A-Z])\b/i.exec(text)?.[1]);
  if (first !== undefined) return first;
  const plain = (words: string): string => words.toLowerCase().replace(/[\s.]+$/, "").trim();
  const same = options.flatMap((option, i) => (plain(option) === plain(text) ? [letters[i] as string] : []));
  if (same.length > 0) return same.length === 1 ? same[0] : undefined;
  // "A red bus" is a text, "A" alone a letter.
  const said = options.flatMap((option, i) => (plain(option) !== "" && ` ${plain(text)} `.includes(` ${plain(option)} `) ? [letters[i] as string] : []));
  return said.length === 1 ? said[0] : known(/^([A-Z])\s/.exec(text)?.[1]);
}

/** 1 when an answer chooses the right letter. */
export function multipleChoice(prediction: string, options: readonly string[], answer: string): 0 | 1 {
  return chosenLetter(prediction, options) === answer.toUpperCase() ? 1 : 0;
}
