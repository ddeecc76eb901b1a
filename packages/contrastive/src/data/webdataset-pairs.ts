import type { ImageTextPair, PairReaderOptions } from "./image-text-pair.js";
import { captionsOf, pairOfRow, type PairFields, type Row } from "./row-pairs.js";

/** A file in a tar file; its bytes are undefined when it was too large to read. */
export interface ShardMember {
  readonly name: string;
  readonly bytes: Uint8Array | undefined;
}

export interface WebDatasetOptions extends PairReaderOptions {
  /** Where a member's `.json` keeps the caption, used where there is no `.txt`. */
  readonly fields?: PairFields;
}

const imageExtension = /^(jpe?g|png|webp|avif|gif|tiff?|bmp)$/i;

/** A member by what follows the first dot of its name: `seg.png` is no `png`. */
interface EntryMember extends ShardMember {
  readonly extension: string;
}

/**
 * The pairs of a WebDataset shard: members that follow each other and share a name up to the first dot of its last part
 * are one entry, `000017.jpg` with `000017.txt` or `000017.json`. Other members are passed over.
 */
export async function* webDatasetPairs(members: AsyncIterable<ShardMember> | Iterable<ShardMember>, options: WebDatasetOptions): AsyncGenerator<ImageTextPair> {
  let key: string | undefined;
  let entry: EntryMember[] = [];
  const finished = (): ImageTextPair | undefined => {
    const pair = key === undefined || entry.length === 0 ? undefined : entryPair(key, entry, options);
    entry = [];
    return pair;
  };
  for await (const member of members) {
    const [, itsKey, extension] = /^((?:.*\/)?[^/.]+)\.([^/]*)$/.exec(member.name) ?? [];
    if (itsKey === undefined || extension === undefined) continue;
    if (itsKey !== key) {
      const pair = finished();
      key = itsKey;
      if (pair) yield pair;
    }
    entry.push({ ...member, extension: extension.toLowerCase() });
  }
  const last = finished();
  if (last) yield last;
}

function entryPair(id: string, entry: readonly EntryMember[], { onBad, fields }: WebDatasetOptions): ImageTextPair | undefined {
  const image = entry.find(({ extension }) => imageExtension.test(extension))?.bytes;
  const [text, json] = ["txt", "json"].map((wanted) => entry.find(({ extension }) => extension === wanted)?.bytes);
  if (!image || image.length === 0) {
    onBad({ id, reason: entry.some(({ extension }) => imageExtension.test(extension)) ? "image empty or too large" : "no image" });
    return undefined;
  }
  const captions = text ? captionsOf(decoded(text)) : [];
  if (captions.length > 0) return { id, image, captions };
  if (!json) {
    onBad({ id, reason: "no caption" });
    return undefined;
  }
  const row = parsed(decoded(json));
  const pair = row ? pairOfRow({ ...row, [fields?.image ?? "image"]: image }, id, { ...(fields ? { fields } : {}), imageRoot: "", onBad }) : { id, reason: "not a JSON object" };
  if (!("reason" in pair)) return { ...pair, id };
  onBad({ id, reason: pair.reason });
  return undefined;
}

function decoded(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function parsed(text: string): Row | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Row) : undefined;
  } catch {
    return undefined;
  }
}
