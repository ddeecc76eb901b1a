import { z } from "zod";

/** Budgets of a request, enforced before anything is decoded, and of the server. Each has a default. */
export interface Limits {
  /** Of one request's body; counted while it is read. 32 MiB when left out. */
  readonly bodyBytes: number;
  /** Of the bodies that are being read or worked on together; beyond, 429. 256 MiB when left out. */
  readonly totalBodyBytes: number;
  /** Seconds for a body to arrive. 60 when left out. */
  readonly bodySeconds: number;
  /** Images of one request. 16 when left out. */
  readonly images: number;
  /** Of one image's file. 20 MiB when left out. */
  readonly imageBytes: number;
  /** Pixels of one request's images together, read from their headers. 64,000,000 when left out. */
  readonly pixels: number;
  /** Characters of one request's texts together. 524,288 when left out. */
  readonly characters: number;
  /** Tokens of an answer at most, whatever the request asks for. 4096 when left out. */
  readonly tokens: number;
  /** Seconds from a request's arrival until its answer is cut short, waiting included. 300 when left out. */
  readonly seconds: number;
  /** Labels of a request for tags, times its templates. 1000 when left out. */
  readonly labels: number;
  /** Entries of a request for embeddings. 256 when left out. */
  readonly inputs: number;
  /** Requests that wait for a model; beyond, 429 with Retry-After. 64 when left out. */
  readonly waiting: number;
  /** Seconds that answers under way have to end when the server closes. 30 when left out. */
  readonly closeSeconds: number;
  /** Memory that stays free: idle models are unloaded where less is left, bytes. 512 MiB when left out. */
  readonly freeMemoryBytes: number;
}

const count = (fallback: number): z.ZodDefault<z.ZodInt> => z.int().min(1).default(fallback);
const MiB = 2 ** 20;

export const limitsSchema: z.ZodType<Limits> = z
  .strictObject({
    bodyBytes: count(32 * MiB),
    totalBodyBytes: count(256 * MiB),
    bodySeconds: z.number().positive().default(60),
    images: count(16),
    imageBytes: count(20 * MiB),
    pixels: count(64_000_000),
    characters: count(MiB / 2),
    tokens: count(4096),
    seconds: z.number().positive().max(86_400).default(300),
    labels: count(1000),
    inputs: count(256),
    waiting: z.int().min(0).default(64),
    closeSeconds: z.number().min(0).max(86_400).default(30),
    freeMemoryBytes: z.int().min(0).default(512 * MiB),
  })
  .readonly();
