import { describe, expect, it } from "vitest";
import { eventsDuring } from "../../src/finetune/events-during.js";

const soon = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("eventsDuring", () => {
  it("gives events while the work goes on, and its result at the end", async () => {
    let finished = false;
    const running = eventsDuring<number, string>(async (tell) => {
      tell(1);
      await soon(5);
      tell(2);
      tell(3);
      await soon(5);
      finished = true;
      return "done";
    });
    expect(await running.next()).toEqual({ value: 1, done: false });
    expect(await running.next()).toEqual({ value: 2, done: false });
    expect(finished).toBe(false);
    expect(await running.next()).toEqual({ value: 3, done: false });
    expect(await running.next()).toEqual({ value: "done", done: true });
  });

  it("throws what the work throws, after its events", async () => {
    const running = eventsDuring<number, never>(async (tell) => {
      tell(1);
      throw new Error("broken");
    });
    expect(await running.next()).toEqual({ value: 1, done: false });
    await expect(running.next()).rejects.toThrow("broken");
  });
});
