import { numberText, percentText, powerText } from "./number-text.js";

export interface Tick {
  readonly at: number;
  readonly text: string;
}

/** What one axis shows, and where. */
export interface Axis {
  readonly ticks: readonly Tick[];
  /** What the ticks are multiples of, where they would be unwieldy: `10⁻⁵`. */
  readonly unit?: string;
  /** 0 at the axis' start to 1 at its end. */
  place(value: number): number;
}

export interface AxisOptions {
  /** Values that must be seen even if no point has them, as 0. */
  readonly include?: readonly number[];
  /** Shares, shown as percentages. */
  readonly percent?: boolean;
  /** About as many ticks, 5 by default. */
  readonly ticks?: number;
  /** The axis ends where the values end, not at the next round number. */
  readonly tight?: boolean;
  /** Ticks in place of round numbers. */
  readonly given?: readonly number[];
  /** Ticks at whole numbers only. */
  readonly whole?: boolean;
}

/** A linear axis with ticks at round numbers. */
export function linearAxis(values: readonly number[], { include = [], percent = false, ticks = 5, tight = false, given, whole = false }: AxisOptions = {}): Axis {
  let [from, to] = extent([...values.filter(Number.isFinite), ...include, ...(given ?? [])]);
  const size = Math.max(Math.abs(from), Math.abs(to));
  // Values that differ by rounding alone are one value.
  if (to - from <= size * 1e-9 || size < 1e-300) {
    const room = size < 1e-300 ? 1 : size * 0.1;
    [from, to] = tight ? [from, from + 1] : [from - room, to + room];
  }
  const step = roundStep((to - from) / ticks, whole);
  // A hundredth of a step beyond a round number is rounding, not a reason for one more step.
  const first = tight ? Math.ceil(from / step - 0.01) : Math.floor(from / step + 0.01);
  const last = tight ? Math.floor(to / step + 0.01) : Math.ceil(to / step - 0.01);
  if (!tight) [from, to] = [Math.min(from, first * step), Math.max(to, last * step)];
  const power = Math.floor(Math.log10(Math.max(Math.abs(first), Math.abs(last)) * step));
  const unit = !percent && (power < -3 || power > 5) ? power : 0;
  const text = (at: number): string => (percent ? percentText(at) : numberText(Number((at / 10 ** unit).toPrecision(12))));
  const round = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  return { ticks: (given ?? round).map((at) => ({ at, text: text(at) })), ...(unit === 0 ? {} : { unit: powerText(unit) }), place: (value) => (value - from) / (to - from) };
}

/**
 * A logarithmic axis of values above 0, with a little room at both ends. Its ticks are powers of ten, 3 times those where
 * it spans few and more where it spans one, or else the ones that are asked for, as batch sizes are.
 */
export function logAxis(values: readonly number[], given?: readonly number[]): Axis {
  const known = values.filter((value) => value > 0 && Number.isFinite(value));
  let [from, to] = extent(known.length > 0 ? known : [1]);
  if (from === to) [from, to] = [from / 2, to * 2];
  const decades = Math.log10(to / from);
  const factors = decades > 3 ? [1] : decades > 1 ? [1, 3] : [1, 1.5, 2, 3, 4, 5, 7];
  const every = Math.max(1, Math.ceil(decades / 6));
  const round: number[] = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) {
    if (power % every === 0) for (const factor of factors) round.push(Number(`${factor}e${power}`));
  }
  const room = 10 ** (decades * 0.03);
  [from, to] = [from / room, to * room];
  const at = given ?? round.filter((value) => value >= from && value <= to);
  const span = Math.log(to / from);
  return { ticks: at.map((value) => ({ at: value, text: numberText(value, 4) })), place: (value) => Math.log(value / from) / span };
}

/** The least and the largest, without the limits of spreading into arguments. */
function extent(values: readonly number[]): [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return least <= most ? [least, most] : [0, 1];
}

/** The smallest of 1, 2, 2.5 and 5 times a power of ten that is no less, and whole if asked for. */
function roundStep(least: number, whole: boolean): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const steps = [1, 2, 2.5, 5, 10].map((factor) => factor * power);
  return steps.find((step) => step >= least * 0.999 && (!whole || Number.isInteger(step))) ?? (whole ? Math.max(1, 10 * power) : 10 * power);
}
