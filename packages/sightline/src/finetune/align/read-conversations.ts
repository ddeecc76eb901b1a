import { readFile } from "node:fs/promises";
import path from "node:path";
import { BadPairCount, jsonlRows, seededHash, seededUniform, type BadPair, type Row } from "@sightline/contrastive";
import { SightlineError } from "../../sightline-error.js";
import { namedSources } from "../named-sources.js";
import { parquetRows } from "../parquet-rows.js";
import { readPairs } from "../read-pairs.js";
import type { AlignConfig } from "./align-settings.js";
import { captionConversation, conversationOfRow, isConversationRow, type TrainingConversation } from "./conversation-rows.js";

/** The conversations of one or several sources, and what was left out of them. */
export interface ReadConversations {
  readonly conversations: readonly TrainingConversation[];
  readonly bad: BadPairCount;
}

/**
 * Reads conversations: .jsonl, .ndjson, .json (a list) and .parquet whose rows are conversations; anything else, and tables
 * of other rows, as pairs of image and caption, each caption becoming the answer to a prompt.
 * @throws SightlineError `bad-input` when there is none, or, where the configuration says so, for the first bad one
 */
export async function readConversations(sources: readonly string[], { data, seed }: Pick<AlignConfig, "data" | "seed">, signal?: AbortSignal): Promise<ReadConversations> {
  const bad = new BadPairCount();
  const onBad = (one: BadPair): void => {
    if (data.bad === "fail") throw new SightlineError("bad-input", `finetune: conversation ${one.id}: ${one.reason}; mend or remove it, or set data.bad to "skip"`);
    bad.add(one);
  };
  const conversations: TrainingConversation[] = [];
  for (const source of await namedSources(sources)) {
    signal?.throwIfAborted();
    const imageRoot = data.imageRoot ?? path.dirname(source);
    const rows = await conversationRows(source, onBad);
    if (rows) {
      for await (const [place, row] of rows) {
        signal?.throwIfAborted();
        const read = isConversationRow(row) ? conversationOfRow(row, place, { imageRoot, system: data.system }) : { id: place, reason: "neither conversations nor messages" };
        if ("reason" in read) onBad(read);
        else conversations.push(read);
      }
      continue;
    }
    const options = { onBad, ...(data.fields ? { fields: data.fields } : {}), ...(data.imageRoot === undefined ? {} : { imageRoot: data.imageRoot }), ...(data.splits ? { splits: data.splits } : {}) };
    for await (const { id, image: kept, captions } of readPairs(source, options)) {
      signal?.throwIfAborted();
      const image = typeof kept === "function" ? await kept() : kept;
      captions.forEach((caption, i) => {
        const named = captions.length === 1 ? id : `${id} (${i + 1})`;
        const prompt = data.prompt[Math.floor(seededUniform(seededHash(seed, "prompt", named), 0) * data.prompt.length)] as string;
        conversations.push({ id: named, messages: captionConversation(image, prompt, caption, data.system) });
      });
    }
  }
  if (conversations.length === 0) throw new SightlineError("bad-input", `finetune: no conversations in ${sources.join(", ")}${bad.total > 0 ? `: ${bad.report().join("; ")}` : "; check the path"}`);
  return { conversations, bad };
}

type Rows = AsyncIterable<readonly [place: string, row: Row]> | Iterable<readonly [place: string, row: Row]>;

/** The rows of a file of conversations; undefined for a file of something else. */
async function conversationRows(source: string, onBad: (bad: BadPair) => void): Promise<Rows | undefined> {
  if (/\.(jsonl|ndjson)$/i.test(source)) return (await startsWithConversation(jsonlRows(source, { onBad: () => undefined }))) ? jsonlRows(source, { onBad }) : undefined;
  if (/\.parquet$/i.test(source)) return (await startsWithConversation(parquetRows(source))) ? parquetRows(source) : undefined;
  if (!/\.json$/i.test(source)) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(await readFile(source, "utf8"));
  } catch (cause) {
    throw new SightlineError("bad-input", `finetune: ${source} cannot be read as JSON: ${(cause as Error).message}`, { cause });
  }
  if (!Array.isArray(list) || !list.some((row) => typeof row === "object" && row !== null && isConversationRow(row as Row))) return undefined;
  return list.map((row: unknown, i): readonly [string, Row] => [`${path.basename(source)}:${i}`, typeof row === "object" && row !== null ? (row as Row) : {}]);
}

async function startsWithConversation(rows: AsyncIterable<readonly [place: string, row: Row]>): Promise<boolean> {
  for await (const [, row] of rows) return isConversationRow(row);
  return false;
}
