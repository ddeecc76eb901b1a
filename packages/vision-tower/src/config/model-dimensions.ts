import { z } from "zod";

/** A width or a number of entries: far beyond every published model, and small enough that a product of two is a safe integer. */
export const count: z.ZodInt = z.int().min(1).max(2 ** 24);
/** A number of blocks. */
export const layers: z.ZodInt = z.int().min(1).max(1024);
/** The epsilon of a norm. */
export const normEps: z.ZodNumber = z.number().positive().max(1);
/** `quantization_config`: weights that are stored as codes need a reader of their own. */
export const unquantized: z.ZodOptional<z.ZodNull> = z.null({ error: "expected none: quantised weights are not known; take the checkpoint they were made from" }).optional();
