import type { Answer } from "../conversation/conversation";

/** Who answered and how fast, small under an answer: "mini · 812 tokens/s · first token after 17 ms". */
export function timingLine({ model, timings }: Pick<Answer, "model" | "timings">): string {
  const { tokensPerSecond, firstTokenMs } = timings ?? {};
  const parts = [model];
  if (tokensPerSecond !== undefined && tokensPerSecond > 0) parts.push(`${rounded(tokensPerSecond)} tokens/s`);
  if (firstTokenMs !== undefined) parts.push(`first token after ${duration(firstTokenMs)}`);
  return parts.filter(Boolean).join(" · ");
}

const rounded = (value: number): string => (value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en-GB"));

const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
