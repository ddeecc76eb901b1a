import { addressOf, type NativeBatch } from "./native-bindings.js";
import type { Decoder } from "./decoder.js";
import { DecoderError } from "./decoder-error.js";

/**
 * The speed that `generate` is measured against: decode one token, sample greedily, and nothing else, on the main thread
 * from beginning to end. Nothing is made into text, nobody can interrupt it, and tokens that end a text do not end it.
 * @param tokens how many to decode; with the first they must fit the context
 * @param from how many to decode before, untimed: a longer context makes each token slower
 * @throws DecoderError `bad-option`, and those of Decoder.createSequence: it takes a sequence for itself
 */
export async function rawDecodeLoop(decoder: Decoder, tokens: number, from = 0): Promise<{ tokens: number; milliseconds: number; tokensPerSecond: number }> {
  const { contextLength } = decoder.info;
  if (!Number.isInteger(from) || from < 0) throw new DecoderError("bad-option", `rawDecodeLoop: from: expected an integer from 0 up, got ${from}`);
  if (!Number.isInteger(tokens) || tokens < 1 || from + tokens >= contextLength) {
    throw new DecoderError("bad-option", `rawDecodeLoop: tokens: expected an integer from 1 to ${contextLength - 1 - from}, got ${tokens}`);
  }
  if (!decoder.parts.log.mayBlockMainThread()) {
    throw new DecoderError("bad-option", "rawDecodeLoop: expected a decoder without a logger: its log could not be heard meanwhile, and the loop would wait for it");
  }
  using sequence = decoder.createSequence();
  const { llama, context, memory } = decoder.parts;
  await decoder.scheduler.lock.acquire();
  const sampler = llama.sampler_chain_init({ ...llama.sampler_chain_default_params(), no_perf: true });
  llama.sampler_chain_add(sampler, llama.sampler_init_greedy());
  try {
    llama.memory_seq_rm(memory, sequence.slot, -1, -1);
    const one = (): Int32Array => new Int32Array(new ArrayBuffer(4));
    const [token, position, slot, count] = [one(), one(), one(), one()];
    slot[0] = sequence.slot;
    count[0] = 1;
    const slotPointer = new BigInt64Array(new ArrayBuffer(8)).fill(addressOf(slot));
    const wantsLogits = new Int8Array(new ArrayBuffer(1)).fill(1);
    const batch: NativeBatch = {
      n_tokens: 1,
      token: addressOf(token),
      embd: null,
      pos: addressOf(position),
      n_seq_id: addressOf(count),
      seq_id: addressOf(slotPointer),
      logits: addressOf(wantsLogits),
    };
    const step = (): void => {
      const status = llama.decode(context, batch);
      if (status !== 0) throw new DecoderError("decode-failed", `rawDecodeLoop: llama_decode at position ${position[0]} returned ${status}`);
      token[0] = llama.sampler_sample(sampler, context, -1);
    };
    for (let i = 0; i <= from; i++) {
      position[0] = i;
      step();
    }
    const start = performance.now();
    for (let i = from + 1; i <= from + tokens; i++) {
      position[0] = i;
      step();
    }
    const milliseconds = performance.now() - start;
    llama.memory_seq_rm(memory, sequence.slot, -1, -1);
    return { tokens, milliseconds, tokensPerSecond: (tokens / milliseconds) * 1000 };
  } finally {
    llama.sampler_free(sampler);
    decoder.scheduler.lock.release();
  }
}
