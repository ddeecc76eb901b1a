import { Graph, openSession } from "@sightline/graph";
import { describe, expect, it } from "vitest";

import { pixelShuffle, shuffledGrid } from "../src/index.js";

/** One token a block, by walking over every pixel of it. Outside the grid there are zeros. */
function slowShuffle(tokens: Float32Array, batch: number, rows: number, columns: number, width: number, factor: number): number[] {
  const result: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let top = 0; top < rows; top += factor) {
      for (let left = 0; left < columns; left += factor) {
        for (let dy = 0; dy < factor; dy++) {
          for (let dx = 0; dx < factor; dx++) {
            const inside = top + dy < rows && left + dx < columns;
            const token = (b * rows + top + dy) * columns + left + dx;
            for (let d = 0; d < width; d++) result.push(inside ? tokens[token * width + d]! : 0);
          }
        }
      }
    }
  }
  return result;
}

describe("pixelShuffle", () => {
  it.each([
    { rows: 4, columns: 4, factor: 2 },
    { rows: 4, columns: 6, factor: 2 },
    { rows: 3, columns: 5, factor: 2 },
    { rows: 5, columns: 4, factor: 3 },
    { rows: 2, columns: 3, factor: 1 },
    { rows: 2, columns: 2, factor: 4 },
  ])("puts the blocks of a $rows x $columns grid into tokens, by $factor", async ({ rows, columns, factor }) => {
    const [batch, width] = [2, 3];
    const tokens = Float32Array.from({ length: batch * rows * columns * width }, (_, i) => i + 1);
    const graph = new Graph();
    const input = graph.input("tokens", "float32", ["B", rows * columns, width]);
    const shuffled = pixelShuffle(input, { rows, columns }, factor);
    graph.output("shuffled", shuffled);
    await using session = await openSession(graph, { device: "cpu", threads: 1 });
    const { shuffled: got } = await session.run({ tokens: { dtype: "float32", shape: [batch, rows * columns, width], data: tokens } });
    const grid = shuffledGrid({ rows, columns }, factor);
    expect(got!.shape).toEqual([batch, grid.rows * grid.columns, factor * factor * width]);
    expect(shuffled.shape).toEqual(["B", ...got!.shape.slice(1)]);
    expect([...(got!.data as Float32Array)]).toEqual(slowShuffle(tokens, batch, rows, columns, width, factor));
  });

  it("refuses tokens that are no such grid", () => {
    const tokens = new Graph().input("tokens", "float32", [1, 15, 2]);
    expect(() => pixelShuffle(tokens, { rows: 4, columns: 4 }, 2)).toThrow("pixelShuffle: expected 4·4 patch tokens, got 15");
  });

  it("rounds the sides of the grid up", () => {
    expect(shuffledGrid({ rows: 3, columns: 5 }, 2)).toEqual({ rows: 2, columns: 3 });
    expect(shuffledGrid({ rows: 32, columns: 32 }, 4)).toEqual({ rows: 8, columns: 8 });
  });
});
