// A child of child-pool.ts: loads each model that it is sent through the way that a chat takes, and says how that ended.
import { loadDecoder } from "@sightline/decoder";
import { openImageEncoder, readImageModel } from "../../dist/index.js";
import { checkModelPair } from "../../dist/models/model-pair.js";

const ours = new Set(["WeightsError", "DecoderError", "SightlineError", "ProjectorError", "ConfigError", "GraphError"]);
const picture = { width: 64, height: 48, data: new Uint8Array(64 * 48 * 3).map((_, i) => (i * 37) % 256) };

async function seeing({ file, decoder }) {
  const model = await readImageModel(file);
  if (decoder !== undefined) await checkModelPair({ mmproj: file, decoder }, model);
  const encoder = await openImageEncoder(model, { threads: 1 });
  try {
    await encoder.encode([{ image: picture, plan: encoder.plan(picture, { detail: "low" }) }]);
  } finally {
    await encoder[Symbol.asyncDispose]();
  }
}

async function speaking({ file, width }) {
  // A mutant of another width would end here, and native code never see it.
  await checkModelPair({ mmproj: "its mmproj", decoder: file }, { width }).catch((error) => {
    if (!/gives rows of width/.test(error.message)) throw error;
  });
  const decoder = await loadDecoder(file, { contextLength: 64, batchTokens: 32, threads: 1 });
  try {
    const tokens = decoder.tokenize("Hello, wor\u1e9bld <|im_end|>\n", { specials: true });
    decoder.detokenize(tokens, { specials: true });
    for (const id of [0, 1, decoder.info.vocabularySize - 1]) decoder.tokenText(id);
    const rows = new Float32Array(4 * decoder.info.embeddingWidth).map((_, i) => Math.sin(i));
    const grid = decoder.info.multiAxisPositions ? { grid: { rows: 2, columns: 2 } } : {};
    await decoder.generate([{ type: "tokens", tokens: tokens.length > 0 ? tokens : Int32Array.of(0) }, { type: "embeddings", embeddings: rows, id: "rows", ...grid }, { type: "tokens", tokens: Int32Array.of(0) }], { maxTokens: 3, sampling: { temperature: 0.5, seed: 1 } }).result;
  } finally {
    await decoder[Symbol.asyncDispose]();
  }
}

/** "works", or the error's class; with `complaint` when that error should not have come. */
async function outcomeOf(asked) {
  try {
    await (asked.kind === "mmproj" ? seeing(asked) : speaking(asked));
    return { outcome: "works" };
  } catch (error) {
    const outcome = error?.name ?? typeof error;
    const message = String(error?.message ?? error);
    // Weights that give no numbers are found while they compute: the load has worked, and the error is the generation's.
    if (error?.code === "decode-failed") return { outcome, code: error.code, message };
    const complaint = !ours.has(outcome) ? `not an error of ours: ${error?.stack ?? message}` : message.includes(asked.file) ? undefined : `the error does not name the file: ${outcome}: ${message}`;
    return { outcome, code: error?.code, message, complaint };
  }
}

process.on("message", async (asked) => process.send({ ...(await outcomeOf(asked)), maxRssMb: Math.round(process.resourceUsage().maxRSS / 1024) }));
process.send({ outcome: "ready" });
