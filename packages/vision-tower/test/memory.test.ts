import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";

import { loadSiglip } from "../src/index.js";
import { goldenPath } from "./goldens.js";

describe("encoding image after image", () => {
  it("keeps nothing of them: 1,500 more files leave the resident size where 500 left it", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    await using siglip = await loadSiglip(goldenPath("siglip-float16"), { towers: ["vision"], threads: 1 });
    const photo = goldenPath("photo.jpg");
    const residentAfter = async (encodes: number): Promise<number> => {
      for (let done = 0; done < encodes; done += 10) {
        const aborted = AbortSignal.timeout(1);
        // One caller in ten gives up, and its images are dropped somewhere on the way.
        await Promise.allSettled(Array.from({ length: 10 }, (_, i) => siglip.encodeImages([photo], i === 9 ? { signal: aborted } : {})));
      }
      collect();
      return process.memoryUsage.rss() / 2 ** 20;
    };
    const before = await residentAfter(500);
    const after = await residentAfter(1500);
    // One forgotten picture of 320x207 an encode would be 284 MB, one of what the tower sees of it 172.
    expect(after - before).toBeLessThan(60);
  });
});
