const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A number as a reader of a figure wants it: 12,500 · 0.025 · 2×10⁻⁴; `digits` significant ones, trailing zeros left out. */
export function numberText(value: number, digits = 3): string {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return String(value);
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e") as [string, string];
  const power = Number(exponent);
  if (power < -3 || power > Math.max(5, digits - 1)) {
    const factor = Number(mantissa);
    const ten = powerText(power);
    return signed(Math.abs(factor) === 1 ? `${factor < 0 ? "-" : ""}${ten}` : `${factor}×${ten}`);
  }
  const [whole, fraction] = String(Number(value.toPrecision(Math.max(digits, power + 1)))).split(".") as [string, string?];
  const grouped = Math.abs(value) >= 10_000 ? whole.replace(/\B(?=(\d{3})+$)/g, ",") : whole;
  return signed(fraction ? `${grouped}.${fraction}` : grouped);
}

/** A share as a percentage: 61.2%. */
export function percentText(share: number, digits = 3): string {
  return `${numberText(share * 100, digits)}%`;
}

/** 10⁻⁴ */
export function powerText(power: number): string {
  return `10${power < 0 ? "⁻" : ""}${[...String(Math.abs(power))].map((digit) => superscripts[Number(digit)]).join("")}`;
}

/** With a minus sign in place of the hyphen. */
function signed(text: string): string {
  return text.replace(/^-/, "−");
}
