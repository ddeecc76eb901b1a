import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

const blocks = 64;
const blockBytes = 64 * 1024;

/**
 * Tells model files apart without reading them whole: the SHA-256 of a file's size and of 64 blocks of 64 KiB spread evenly
 * over it, in hexadecimal. Fine-tuned weights differ everywhere, so any block shows it.
 */
export async function fileFingerprint(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const hash = createHash("sha256").update(String(size));
    const block = new Uint8Array(blockBytes);
    const last = Math.max(0, size - blockBytes);
    for (let i = 0; i < blocks; i++) {
      const { bytesRead } = await file.read(block, 0, blockBytes, Math.floor((last * i) / (blocks - 1)));
      hash.update(block.subarray(0, bytesRead));
    }
    return hash.digest("hex");
  } finally {
    await file.close();
  }
}
