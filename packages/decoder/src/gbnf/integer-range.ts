/**
 * GBNF of the integers from `low` to `high`, both safe integers or infinite, without leading zeros; zero has no sign.
 * Unbounded sides have at most 15 digits, so that JSON.parse reads them exactly.
 */
export function integerRange(low: number, high: number): string {
  const alternatives: string[] = [];
  if (low < 0) {
    const nearest = high < 0 ? -high : 1;
    alternatives.push(`"-" (${digitsBetween(nearest, -low)})`);
  }
  if (high >= 0) alternatives.push(digitsBetween(Math.max(0, low), high));
  return alternatives.join(" | ");
}

/** From `low` >= 0 to `high`, by number of digits. */
function digitsBetween(low: number, high: number): string {
  const last = high === Number.POSITIVE_INFINITY ? Math.max(15, String(low).length) : String(high).length;
  const alternatives: string[] = [];
  for (let length = String(low).length; length <= last; length++) {
    const least = length === 1 ? 0 : 10 ** (length - 1);
    const from = String(Math.max(low, least)).padStart(length, "0");
    const to = high !== Number.POSITIVE_INFINITY && length === last ? String(high) : "9".repeat(length);
    alternatives.push(sameLength(from, to));
  }
  return alternatives.join(" | ");
}

/** Numbers between two of as many digits. */
function sameLength(from: string, to: string): string {
  const [first, last] = [from[0], to[0]];
  if (first === undefined || last === undefined) return '""';
  const [restFrom, restTo] = [from.slice(1), to.slice(1)];
  const free = restFrom === "0".repeat(restFrom.length) && restTo === "9".repeat(restTo.length);
  if (first === last) return restFrom === "" ? `"${first}"` : `"${first}" (${sameLength(restFrom, restTo)})`;
  if (free) return `${digit(Number(first), Number(last))}${anyDigits(restFrom.length)}`;
  const alternatives = [`"${first}" (${sameLength(restFrom, "9".repeat(restFrom.length))})`];
  if (Number(last) - Number(first) > 1) alternatives.push(`${digit(Number(first) + 1, Number(last) - 1)}${anyDigits(restFrom.length)}`);
  alternatives.push(`"${last}" (${sameLength("0".repeat(restTo.length), restTo)})`);
  return alternatives.join(" | ");
}

function digit(from: number, to: number): string {
  return from === to ? `"${from}"` : `[${from}-${to}]`;
}

function anyDigits(count: number): string {
  return count === 0 ? "" : count === 1 ? " [0-9]" : ` [0-9]{${count}}`;
}
