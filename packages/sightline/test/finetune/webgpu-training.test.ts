import { rm } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { describeWebgpu } from "../../../graph/test/webgpu-tests.js";
import { eventsOf, tinyRun } from "./tiny-run.js";

describeWebgpu("fine-tuning on WebGPU", () => {
  it("gives the losses and gradients of the CPU", { timeout: 120_000 }, async () => {
    const { folder, settings } = await tinyRun();
    const steps = async (name: string, changes: Partial<typeof settings>): Promise<readonly (readonly [loss: number, gradientNorm: number])[]> => {
      const { validation: _none, ...data } = settings.data;
      const run = { ...settings, data, out: path.join(folder, name), steps: 2, export: [], evaluate: { everySteps: 9 }, optimizer: { learningRate: 1e-3 }, ...changes };
      return (await eventsOf(run)).flatMap((event) => (event.type === "step-end" ? [[event.loss, event.gradientNorm] as const] : []));
    };
    try {
      const cpu = await steps("cpu", { device: "cpu" });
      const gpu = await steps("gpu", { device: "webgpu" });
      expect(gpu).toHaveLength(2);
      gpu.forEach(([loss, norm], i) => {
        const [expectedLoss, expectedNorm] = cpu[i] as readonly [number, number];
        expect(Math.abs(loss - expectedLoss) / expectedLoss).toBeLessThan(1e-3);
        expect(Math.abs(norm - expectedNorm) / expectedNorm).toBeLessThan(5e-3);
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
