/** A probability as people read it: "93%", "4.2%", "under 0.1%". */
export function percent(probability: number): string {
  const value = probability * 100;
  if (value < 0.1) return "under 0.1%";
  if (value > 99.9) return "over 99.9%";
  return value < 10 || value > 99.5 ? `${(Math.floor(value * 10) / 10).toFixed(1)}%` : `${Math.round(value)}%`;
}
