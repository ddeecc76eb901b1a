import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packConversations, shapeOfConversations, TrainingError, type TokenizedConversation } from "../../src/index.js";

const rowsPerView = 3;
const pad = 99;

/** Conversations of text and pictures in any order, of which some text is learnt. */
const conversation = fc.array(fc.oneof(fc.record({ id: fc.nat(50), weight: fc.constantFrom(0, 0, 1, 2) }), fc.constant("picture" as const)), { minLength: 1, maxLength: 8 }).map((pieces): TokenizedConversation & { views: number } => {
  const places: number[] = [0];
  const weights: number[] = [0];
  let rows = 0;
  const push = (place: number, weight: number): void => {
    places.push(place);
    weights.push(weight);
  };
  for (const piece of pieces) {
    if (piece !== "picture") push(piece.id, piece.weight);
    else for (let r = 0; r < rowsPerView; r++) push(-1 - rows++, 0);
  }
  return { places: Int32Array.from(places), weights: Float32Array.from(weights), views: rows / rowsPerView };
});

describe("packConversations", () => {
  it("puts every place where the layout finds it again, and every learnt token after the place that foretells it", () => {
    fc.assert(
      fc.property(fc.array(conversation, { minLength: 1, maxLength: 4 }), (all) => {
        const shape = shapeOfConversations(all, all.length);
        const views = all.reduce((sum, one) => sum + one.views, 0);
        const firstView = all.map((_, b) => all.slice(0, b).reduce((sum, one) => sum + one.views, 0));
        const imageRows = Math.max(1, views) * rowsPerView;
        const { feeds, weight, starts, leftOut } = packConversations(all, shape, pad, imageRows, (b) => (firstView[b] as number) * rowsPerView);
        expect(leftOut).toBe(0);
        const [tokens, layout, targets, labels, counts] = ["tokens", "layout", "targets", "labels", "counts"].map((name) => [...(feeds[name as "tokens"].data as Float32Array)].map(Number)) as [number[], number[], number[], number[], number[]];
        all.forEach(({ places, weights }, b) => {
          const own = layout.slice(b * shape.positions, (b + 1) * shape.positions);
          const found = own.slice(0, places.length).map((row) => (row < imageRows ? -1 - (row - (firstView[b] as number) * rowsPerView) : tokens[row - imageRows]));
          expect(found).toEqual([...places]);
          const learnt = [...weights.entries()].filter(([, counted]) => counted > 0);
          const [from, to] = [starts[b] as number, starts[b + 1] as number];
          expect(targets.slice(from, to)).toEqual(learnt.map(([s]) => b * shape.positions + s - 1));
          expect(labels.slice(from, to)).toEqual(learnt.map(([s]) => places[s]));
          expect(counts.slice(from, to)).toEqual(learnt.map(([, counted]) => counted));
        });
        expect(weight).toBe(all.reduce((sum, { weights }) => sum + weights.reduce((a, b) => a + b, 0), 0));
        expect(counts.slice(starts.at(-1)).every((counted) => counted === 0)).toBe(true);
      }),
    );
  });

  it("counts what there is no room for, and refuses what does not fit at all", () => {
    const one = { places: Int32Array.of(0, 1, 2, 3), weights: Float32Array.of(0, 1, 1, 1) };
    const shape = { conversations: 1, textTokens: 4, positions: 4, targets: 2 };
    expect(packConversations([one], shape, pad, 3, () => 0)).toMatchObject({ leftOut: 1, weight: 2, starts: [0, 2] });
    expect(() => packConversations([one], { ...shape, positions: 3 }, pad, 3, () => 0)).toThrow("at most 3 places, got 4");
    expect(() => packConversations([one], { ...shape, textTokens: 2 }, pad, 3, () => 0)).toThrow("at most 2 text tokens");
    expect(() => packConversations([one, one], shape, pad, 3, () => 0)).toThrow(TrainingError);
    expect(() => packConversations([{ places: Int32Array.of(1), weights: Float32Array.of(1) }], shape, pad, 3, () => 0)).toThrow("nothing stands before it");
    expect(() => packConversations([{ places: Int32Array.of(1, -1), weights: Float32Array.of(0, 1) }], shape, pad, 3, () => 0)).toThrow("an image stands there");
  });
});
