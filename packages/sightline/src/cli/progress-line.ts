import { SingleBar } from "cli-progress";

/** How far a long command is. */
export interface ProgressState {
  /** 0 to 1 */
  readonly share: number;
  readonly done: number;
  readonly skipped: number;
  readonly perSecond: number;
}

/** Shows progress on stderr until it is stopped. */
export interface ProgressLine {
  /** Shows where the work is now. */
  update(state: ProgressState): void;
  /** Ends the line; nothing is shown after it. */
  stop(): void;
}

const msBetweenLines = 10_000;
const steps = 1000;

/**
 * A bar with rate and time left on a terminal; elsewhere, a line every ten seconds, so that logs stay readable.
 * @param what is counted, as in "images"
 */
export function progressLine(what: string): ProgressLine {
  return process.stderr.isTTY ? bar(what) : lines(what);
}

function bar(what: string): ProgressLine {
  const line = new SingleBar({
    stream: process.stderr,
    format: `[{bar}] {percentage}% | {done} ${what}{skipped} | {rate}/s | {left} left`,
    hideCursor: true,
    noTTYOutput: false,
    etaBuffer: 1,
    gracefulExit: false,
  });
  line.start(steps, 0, { done: 0, skipped: "", rate: "-", left: "?" });
  return {
    update: (state) => line.update(Math.round(state.share * steps), textsOf(state)),
    stop: () => line.stop(),
  };
}

function lines(what: string): ProgressLine {
  let last = Date.now();
  return {
    update: (state) => {
      if (Date.now() - last < msBetweenLines) return;
      last = Date.now();
      const { done, skipped, rate, left } = textsOf(state);
      process.stderr.write(`${Math.floor(state.share * 100)} %: ${done} ${what}${skipped}, ${rate}/s, ${left} left\n`);
    },
    stop: () => undefined,
  };
}

function textsOf(state: ProgressState): { readonly done: string; readonly skipped: string; readonly rate: string; readonly left: string } {
  const { share, done, skipped, perSecond } = state;
  const left = share > 0 && perSecond > 0 ? duration(((done + skipped) * (1 - share)) / share / perSecond) : "?";
  return { done: String(done), skipped: skipped === 0 ? "" : ` (${skipped} skipped)`, rate: perSecond.toFixed(perSecond < 10 ? 2 : 0), left };
}

/** Seconds as people read them: 42s, 3m 05s, 2h 10m. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
}
