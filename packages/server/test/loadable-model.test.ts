import { describe, expect, it } from "vitest";
import { LoadableModel } from "../src/models/loadable-model.js";

/** A model that says what becomes of it; loads and disposals end when a test lets them. */
function standIn() {
  const said: string[] = [];
  const gates: (() => void)[] = [];
  const model = new LoadableModel(async () => {
    said.push("loading");
    await new Promise<void>((resolve) => gates.push(resolve));
    said.push("loaded");
    return { [Symbol.asyncDispose]: async () => void said.push("disposed") };
  });
  const open = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    gates.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { model, said, open };
}

describe("LoadableModel, with a stand-in that says what becomes of it", () => {
  it("is loaded once for all who ask", async () => {
    const { model, said, open } = standIn();
    const leases = [model.lease(), model.lease(), model.lease()];
    expect(model.status).toBe("loading");
    await open();
    const [a, b] = await Promise.all(leases);
    expect(a?.model).toBe(b?.model);
    expect(said).toEqual(["loading", "loaded"]);
    expect(model.status).toBe("loaded");
  });

  it("stays while anybody uses it, and goes once", async () => {
    const { model, said, open } = standIn();
    const leasing = model.lease();
    await open();
    const lease = await leasing;
    expect([model.idle, await model.unload()]).toEqual([false, false]);
    lease[Symbol.dispose]();
    // Giving a lease back twice gives back nobody else's.
    const other = await model.lease();
    lease[Symbol.dispose]();
    expect([model.idle, await model.unload()]).toEqual([false, false]);
    other[Symbol.dispose]();
    expect(await Promise.all([model.unload(), model.unload()])).toEqual([true, false]);
    expect(said).toEqual(["loading", "loaded", "disposed"]);
    expect(model.status).toBe("available");
  });

  it("is loaded anew only after it has gone", async () => {
    const said: string[] = [];
    let gone: () => void = () => {};
    const model = new LoadableModel(async () => {
      said.push("loaded");
      return {
        [Symbol.asyncDispose]: async () => {
          await new Promise<void>((resolve) => (gone = resolve));
          said.push("disposed");
        },
      };
    });
    (await model.lease())[Symbol.dispose]();
    const unloading = model.unload();
    const again = model.lease();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(said).toEqual(["loaded"]);
    gone();
    await Promise.all([unloading, again]);
    expect(said).toEqual(["loaded", "disposed", "loaded"]);
  });

  it("goes on loading for the others when one stops waiting", async () => {
    const { model, said, open } = standIn();
    const controller = new AbortController();
    const [left, stayed] = [model.lease(controller.signal), model.lease()];
    controller.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    await open();
    (await stayed)[Symbol.dispose]();
    expect([said, model.idle]).toEqual([["loading", "loaded"], true]);
  });

  it("fails for all who wait, and is tried again by the next", async () => {
    let tries = 0;
    const model = new LoadableModel(async () => {
      if (++tries === 1) throw new Error("no disk");
      return { [Symbol.asyncDispose]: async () => {} };
    });
    const both = await Promise.allSettled([model.lease(), model.lease()]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(model.status).toBe("failed");
    (await model.lease())[Symbol.dispose]();
    expect([tries, model.status, model.idle]).toEqual([2, "loaded", true]);
  });
});
