import { afterEach, beforeEach, vi } from "vitest";

/** In each test around it, time stands still and what is written to stderr is kept instead; gives what was written so far. */
export function capturedStderr(): () => string[] {
  const wasTerminal = process.stderr.isTTY;
  let written: string[] = [];
  beforeEach(() => {
    vi.useFakeTimers();
    written = [];
    vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
  });
  afterEach(() => {
    process.stderr.isTTY = wasTerminal;
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
  return () => written;
}
