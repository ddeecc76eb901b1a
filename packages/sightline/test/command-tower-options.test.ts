import path from "node:path";
import { fileURLToPath } from "node:url";
import type { TagResult } from "@sightline/vision-tower";
import { describe, expect, it } from "vitest";

import { run } from "./command.js";

const scene = path.join(fileURLToPath(new URL("../../../examples", import.meta.url)), "scene.png");

async function tagged(...options: string[]): Promise<TagResult["tags"]> {
  const { code, stdout, stderr } = await run(["tag", scene, "--labels", "an airplane,a dog", "--json", ...options]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return (JSON.parse(stdout) as [TagResult])[0].tags;
}

describe("the options of a tower", () => {
  it("run it in int8, at another size, and both change a probability a little", async () => {
    const exact = await tagged();
    expect(exact.map(({ label }) => label)).toEqual(["an airplane", "a dog"]);
    for (const options of [["--precision", "int8"], ["--image-size", "144"]]) {
      const other = await tagged(...options);
      expect(other.map(({ label }) => label)).toEqual(["an airplane", "a dog"]);
      expect(other[0]?.probability).not.toBe(exact[0]?.probability);
      expect(other[0]?.probability).toBeGreaterThan(0.5);
      expect(other[1]?.probability).toBeLessThan(0.5);
    }
  });

  it.each([
    [["--precision", "float16"], /expected precision "float32", "int8" or "auto" on the CPU, got "float16"/],
    [["--max-patches", "64"], /maxPatches/],
    [["--model", "/nowhere"], /config\.json: no such file/],
  ])("that do not fit are one line: %j", async (options, line) => {
    const { code, stdout, stderr } = await run(["tag", scene, "--labels", "a dog", ...options]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^sightline: [^\n]+\n$/);
    expect(stderr).toMatch(line);
  });

  it("that nobody knows are wrong usage", async () => {
    expect(await run(["tag", scene, "--labels", "a dog", "--precision", "int4"])).toMatchObject({ code: 2, stdout: "" });
  });
});
