import { freemem } from "node:os";

/** Bytes that this process may still take: what the machine has free, or the limit of its container leaves. */
export function freeMemory(): number {
  // Node 20.13 brought it; it knows of cgroups.
  const { availableMemory } = process as { readonly availableMemory?: () => number };
  return Math.min(freemem(), availableMemory?.call(process) ?? Number.POSITIVE_INFINITY);
}
