import type { TensorValue } from "@sightline/graph";
import { TrainingError } from "../training-error.js";

/** A conversation as the decoder reads it. */
export interface TokenizedConversation {
  /** int32[S]: a token's id, or -1 - r where row r of the conversation's own images stands. */
  readonly places: Int32Array;
  /** float32[S]: how much it counts that a place is foretold; 0 for what is not learnt. */
  readonly weights: Float32Array;
}

/** The sizes that a graph of conversations is built for. */
export interface ConversationShape {
  /** B */
  readonly conversations: number;
  /** R, text tokens of a conversation, padding included. */
  readonly textTokens: number;
  /** S, places of a conversation: image and text. */
  readonly positions: number;
  /** n, places of the whole batch that are learnt, padding included. */
  readonly targets: number;
}

/** What a batch of conversations is to the graph of `conversationLoss`. */
export interface PackedConversations {
  readonly feeds: Readonly<Record<"tokens" | "layout" | "targets" | "labels" | "counts", TensorValue>>;
  /** Sum of the weights of what is learnt. */
  readonly weight: number;
  /** For each conversation, where its labels start in `labels`; one more at the end. */
  readonly starts: readonly number[];
  /** Learnt places for which there was no room. */
  readonly leftOut: number;
}

/**
 * Puts conversations side by side.
 * @param pad the token that fills up
 * @param imageRows rows of images of the whole batch, before which none of the texts' lie
 * @param firstRowOf where a conversation's own rows start among them
 * @throws TrainingError when a conversation is longer than the shape
 */
export function packConversations(conversations: readonly TokenizedConversation[], shape: ConversationShape, pad: number, imageRows: number, firstRowOf: (conversation: number) => number): PackedConversations {
  const { conversations: most, textTokens, positions, targets } = shape;
  if (conversations.length > most) throw new TrainingError(`packConversations: expected at most ${most} conversations, got ${conversations.length}`);
  const tokens = new BigInt64Array(most * textTokens).fill(BigInt(pad));
  const layout = new BigInt64Array(most * positions);
  const targetAt = new BigInt64Array(targets);
  const labels = new BigInt64Array(targets);
  const counts = new Float32Array(targets);
  const starts: number[] = [];
  let [target, weight, leftOut] = [0, 0, 0];
  for (let b = 0; b < most; b++) {
    starts.push(target);
    const { places, weights } = conversations[b] ?? nothing;
    const firstText = imageRows + b * textTokens;
    if (places.length > positions) throw new TrainingError(`packConversations: expected conversations of at most ${positions} places, got ${places.length}`);
    let text = 0;
    for (let s = 0; s < positions; s++) {
      const place = places[s];
      if (place === undefined) layout[b * positions + s] = BigInt(firstText + Math.min(text, textTokens - 1));
      else if (place < 0) layout[b * positions + s] = BigInt(firstRowOf(b) - 1 - place);
      else {
        if (text === textTokens) throw new TrainingError(`packConversations: expected conversations of at most ${textTokens} text tokens, got more`);
        tokens[b * textTokens + text] = BigInt(place);
        layout[b * positions + s] = BigInt(firstText + text++);
      }
      const counted = weights[s] ?? 0;
      if (counted === 0 || place === undefined) continue;
      if (place < 0 || s === 0) throw new TrainingError(`packConversations: place ${s} cannot be learnt: ${s === 0 ? "nothing stands before it" : "an image stands there"}`);
      if (target >= targets) {
        leftOut++;
        continue;
      }
      targetAt[target] = BigInt(b * positions + s - 1);
      labels[target] = BigInt(place);
      counts[target] = counted;
      weight += counted;
      target++;
    }
  }
  starts.push(target);
  return {
    feeds: {
      tokens: { dtype: "int64", shape: [most * textTokens], data: tokens },
      layout: { dtype: "int64", shape: [most, positions], data: layout },
      targets: { dtype: "int64", shape: [targets], data: targetAt },
      labels: { dtype: "int64", shape: [targets], data: labels },
      counts: { dtype: "float32", shape: [targets], data: counts },
    },
    weight,
    starts,
    leftOut,
  };
}

const nothing: TokenizedConversation = { places: new Int32Array(0), weights: new Float32Array(0) };

/**
 * Which places are of one view, whose rows look at each other: float32[B, 1, S, S], 0 where two are, 1 elsewhere.
 * @param rowsPerView N
 */
export function placesApart(conversations: readonly TokenizedConversation[], { conversations: most, positions }: ConversationShape, rowsPerView: number): TensorValue {
  const data = new Float32Array(most * positions * positions).fill(1);
  conversations.forEach(({ places }, b) => {
    const viewOf = (s: number): number => Math.floor((-1 - (places[s] as number)) / rowsPerView);
    for (let from = 0; from < places.length; from++) {
      if ((places[from] as number) >= 0) continue;
      let to = from + 1;
      while (to < places.length && (places[to] as number) < 0 && viewOf(to) === viewOf(from)) to++;
      for (let s = from; s < to; s++) data.fill(0, (b * positions + s) * positions + from, (b * positions + s) * positions + to);
      from = to - 1;
    }
  });
  return { dtype: "float32", shape: [most, 1, positions, positions], data };
}

/** The shape that holds any `conversations` of some at a time. */
export function shapeOfConversations(all: readonly TokenizedConversation[], conversations: number): ConversationShape {
  const most = (count: (one: TokenizedConversation) => number): number => all.reduce((largest, one) => Math.max(largest, count(one)), 1);
  return {
    conversations,
    textTokens: most(({ places }) => places.reduce((sum, place) => sum + (place < 0 ? 0 : 1), 0)),
    positions: most(({ places }) => places.length),
    targets: conversations * most(learntPlaces),
  };
}

/** Places of a conversation that are learnt. */
export function learntPlaces({ weights }: TokenizedConversation): number {
  return weights.reduce((sum, weight) => sum + (weight === 0 ? 0 : 1), 0);
}
