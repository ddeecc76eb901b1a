import { createHash, randomUUID } from "node:crypto";
import { open, readFile, rm, stat } from "node:fs/promises";
import path from "node:path";
import { readFully, writeDurably, writeFully } from "sightline/cli";
import { z } from "zod";
import { failuresFile, partFile } from "./run-folder.js";

/** What became of one image of a shard. */
export type ImageOutcome = { readonly embedding: Float32Array } | { readonly caption: string } | { readonly error: string };

/** What a shard came to. */
export interface Part {
  /** Of the run that it belongs to. */
  readonly run: string;
  readonly shard: number;
  /** The images' paths, in the order of the shard. */
  readonly paths: readonly string[];
  /** One for each path. */
  readonly outcomes: readonly ImageOutcome[];
}

const headerSchema = z.strictObject({
  format: z.literal("sightline-part"),
  version: z.literal(1),
  run: z.string(),
  shard: z.int().min(0),
  images: z.int().min(0),
  failed: z.int().min(0),
  /** D of embeddings; 0 of captions, or where every image failed. */
  width: z.int().min(0),
  /** Of the lines that follow. */
  lineBytes: z.int().min(0),
  /** Of the embeddings after them. */
  embeddingBytes: z.int().min(0),
  /** Of everything after the header's line. */
  sha256: z.string(),
});

type Header = z.infer<typeof headerSchema>;

const lineSchema = z.strictObject({ path: z.string(), caption: z.string().optional(), error: z.string().optional() });

/** Longer than any header. */
const headerBytes = 1024;

/**
 * A part as bytes: a line of JSON about it, a line for each image, and the embeddings of those that have one, as
 * little-endian float32[rows, D].
 * @throws RangeError when outcomes do not fit together
 */
export function encodePart({ run, shard, paths, outcomes }: Part): Uint8Array {
  if (paths.length !== outcomes.length) throw new RangeError(`encodePart: expected an outcome for each of ${paths.length} images, got ${outcomes.length}`);
  const embeddings = outcomes.flatMap((outcome) => ("embedding" in outcome ? [outcome.embedding] : []));
  const width = embeddings[0]?.length ?? 0;
  const values = new Float32Array(embeddings.length * width);
  for (const [i, embedding] of embeddings.entries()) {
    if (embedding.length !== width) throw new RangeError(`encodePart: expected embeddings of width ${width}, got ${embedding.length}`);
    values.set(embedding, i * width);
  }
  const lines = Buffer.from(outcomes.map((outcome, i) => `${JSON.stringify({ path: paths[i], ...("embedding" in outcome ? {} : outcome) })}\n`).join(""));
  const bytes = new Uint8Array(values.buffer);
  const header: Header = {
    format: "sightline-part",
    version: 1,
    run,
    shard,
    images: paths.length,
    failed: outcomes.filter((outcome) => "error" in outcome).length,
    width,
    lineBytes: lines.length,
    embeddingBytes: bytes.length,
    sha256: createHash("sha256").update(lines).update(bytes).digest("hex"),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), lines, bytes]);
}

/** @throws Error that says what is wrong, for bytes that are no whole part */
export function decodePart(bytes: Uint8Array): Part & { readonly width: number } {
  const { header, bodyAt } = decodeHeader(bytes);
  const body = bytes.subarray(bodyAt);
  if (body.length !== header.lineBytes + header.embeddingBytes) throw new Error(`expected ${header.lineBytes + header.embeddingBytes} bytes after its header, found ${body.length}`);
  if (createHash("sha256").update(body).digest("hex") !== header.sha256) throw new Error("its content is not what was written");
  const lines = Buffer.from(body.subarray(0, header.lineBytes)).toString().split("\n").slice(0, -1);
  // Copied, for floats lie on a boundary of 4 bytes only by chance.
  const values = new Float32Array(new Uint8Array(body.subarray(header.lineBytes)).buffer);
  let row = 0;
  const paths: string[] = [];
  const outcomes = lines.map((line): ImageOutcome => {
    const { path: from, caption, error } = lineSchema.parse(JSON.parse(line));
    paths.push(from);
    if (error !== undefined) return { error };
    if (caption !== undefined) return { caption };
    row++;
    return { embedding: values.subarray((row - 1) * header.width, row * header.width) };
  });
  if (paths.length !== header.images || values.length !== row * header.width) throw new Error("its lines and its embeddings do not fit together");
  return { run: header.run, shard: header.shard, paths, outcomes, width: header.width };
}

function decodeHeader(bytes: Uint8Array): { readonly header: Header; readonly bodyAt: number } {
  const end = bytes.indexOf(0x0a);
  if (end === -1) throw new Error("it has no header");
  const header = headerSchema.parse(JSON.parse(Buffer.from(bytes.subarray(0, end)).toString()));
  return { header, bodyAt: end + 1 };
}

/** Writes a part and the list of its failures, each in full or not at all. A part that is there is replaced. */
export async function writePart(run: string, part: Part): Promise<void> {
  const failed = part.outcomes.flatMap((outcome, i) => ("error" in outcome ? [{ path: part.paths[i], error: outcome.error }] : []));
  const failures = failuresFile(run, part.shard);
  // The list comes first, so that a part never lacks it.
  if (failed.length === 0) await rm(failures, { force: true });
  else await writeStaged(failures, Buffer.from(failed.map((one) => `${JSON.stringify(one)}\n`).join("")));
  await writeStaged(partFile(run, part.shard), encodePart(part));
}

/** Workers that do the same shard, because one seemed lost, write the same; neither may disturb the other. */
async function writeStaged(file: string, bytes: Uint8Array): Promise<void> {
  const staging = path.join(path.dirname(file), `.${path.basename(file)}.${randomUUID()}.new`);
  try {
    await writeDurably(file, staging, (to) => writeFully(to, bytes));
  } catch (error) {
    await rm(staging, { force: true });
    throw error;
  }
}

/** @throws Error that says what is wrong with the part */
export async function readPart(run: string, shard: number): Promise<Part & { readonly width: number }> {
  return decodePart(await readFile(partFile(run, shard)));
}

/**
 * Whether a shard's part is there, of this run, and as long as it should be. Its content is checked when it is collected.
 */
export async function hasPart(run: string, id: string, shard: number): Promise<boolean> {
  const file = partFile(run, shard);
  try {
    const { size } = await stat(file);
    await using handle = await open(file, "r");
    const start = new Uint8Array(Math.min(headerBytes, size));
    await readFully(handle, start, 0);
    const { header, bodyAt } = decodeHeader(start);
    return header.run === id && header.shard === shard && size === bodyAt + header.lineBytes + header.embeddingBytes;
  } catch {
    return false;
  }
}
