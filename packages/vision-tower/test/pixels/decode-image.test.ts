import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import fc from "fast-check";

import { decodeImage, imageSize } from "../../src/pixels/decode-image.js";
import { ImageError } from "../../src/pixels/image-error.js";
import { goldenBytes, goldenJson, goldenPath } from "../goldens.js";

interface Expected {
  width: number;
  height: number;
  note: string;
  /** Levels that any sample may be off by. */
  tolerance?: number;
  rgb?: string;
  sha256?: string;
}

const expected = goldenJson<Record<string, Expected>>("decode/expected.json");

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "sightline-pixels-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The ImageError that decoding gives, or a failure of the test. */
async function refusal(...args: Parameters<typeof decodeImage>): Promise<ImageError> {
  const error: unknown = await decodeImage(...args).then((image) => `an image of ${image.width}x${image.height}`, (e: unknown) => e);
  expect(error).toBeInstanceOf(ImageError);
  const imageError = error as ImageError;
  expect(imageError.message).not.toMatch(/[\n\r]/);
  // Nothing of a native library's text: neither its name, nor an address.
  expect(imageError.message.replace(imageError.source, "")).not.toMatch(/vips|0x|sharp|heif|Input/);
  return imageError;
}

describe("decodeImage", () => {
  it.each(Object.entries(expected))("shows what Pillow shows: %s", async (name, { width, height, tolerance, rgb, sha256 }) => {
    const image = await decodeImage(goldenPath(`decode/${name}`));
    expect([image.width, image.height, image.data.length]).toEqual([width, height, width * height * 3]);
    if (sha256 !== undefined) expect(createHash("sha256").update(image.data).digest("hex")).toBe(sha256);
    if (rgb === undefined || tolerance === undefined) return;
    const wanted = Buffer.from(rgb, "base64");
    const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - image.data[i]!)), 0);
    expect(worst).toBeLessThanOrEqual(tolerance);
  });

  it("takes a path, a file: URL as object or text, a Uint8Array, a view into a larger buffer, and an ArrayBuffer", async () => {
    const file = goldenPath("decode/rgb.png");
    const bytes = goldenBytes("decode/rgb.png");
    const padded = new Uint8Array(bytes.length + 20);
    padded.set(bytes, 7);
    const want = (await decodeImage(file)).data;
    const sources = [pathToFileURL(file), pathToFileURL(file).href, bytes, padded.subarray(7, 7 + bytes.length), bytes.slice().buffer];
    for (const source of sources) expect((await decodeImage(source)).data).toEqual(want);
  });

  it("takes extreme shapes: 1x1 and 20000x1", async () => {
    for (const [width, height] of [[1, 1], [20_000, 1], [1, 20_000]] as const) {
      const png = await sharp({ create: { width, height, channels: 3, background: "#0a141e" } }).png().toBuffer();
      const image = await decodeImage(png);
      expect([image.width, image.height]).toEqual([width, height]);
      expect([...image.data.subarray(-3)]).toEqual([10, 20, 30]);
    }
  });

  it("never returns a picture for a truncated file", async () => {
    for (const name of ["rgb.png", "rgb16.png", "orientation-1.jpg", "progressive.jpg", "rgb.webp", "animated.gif", "rgb.tiff", "rgb.avif"]) {
      const bytes = goldenBytes(`decode/${name}`);
      // The frames after an animation's first one are not needed, so a cut in them does no harm.
      const most = name === "animated.gif" ? 0.25 : 0.9;
      for (const part of [0.25, 0.5, 0.75, 0.9].filter((p) => p <= most)) {
        const cut = bytes.subarray(0, Math.floor(bytes.length * part));
        expect(await refusal(cut), `${name} cut to ${part}`).toMatchObject({ code: "damaged", source: `<${cut.length} bytes>` });
      }
    }
    const photo = goldenBytes("photo.jpg");
    const error = await refusal(photo.subarray(0, photo.length - 2000));
    expect(error.message).toBe("decodeImage: <17903 bytes>: is truncated or damaged; export or download it again");
  });

  it("answers or refuses in one line when bytes are damaged at random", async () => {
    const files = ["rgb16.png", "orientation-6.jpg", "rgba.webp", "animated.gif", "rgb.tiff", "rgb.avif"].map((name) => goldenBytes(`decode/${name}`));
    const damage = fc.array(fc.tuple(fc.nat(100_000), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...files), damage, async (file, changes) => {
        const bytes = file.slice();
        for (const [where, value] of changes) bytes[where % bytes.length] = value;
        try {
          const image = await decodeImage(bytes, { limits: { maxPixels: 1_000_000 } });
          expect(image.data.length).toBe(image.width * image.height * 3);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
          expect((error as ImageError).message).toMatch(/^decodeImage: <\d+ bytes>: [^\n]+$/);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("names a missing file, a directory, an empty file and a file that is no image", async () => {
    const missing = path.join(directory, "nowhere.png");
    expect((await refusal(missing)).message).toBe(`decodeImage: ${missing}: no such file; check the path`);
    expect(await refusal(directory)).toMatchObject({ code: "not-a-file", message: `decodeImage: ${directory}: is a directory; name an image file in it` });
    expect(await refusal(path.join(goldenPath("photo.jpg"), "x.png"))).toMatchObject({ code: "not-found" });

    const empty = path.join(directory, "empty.png");
    writeFileSync(empty, "");
    expect((await refusal(empty)).message).toBe(`decodeImage: ${empty}: has 0 bytes; expected an image file`);
    expect(await refusal(new Uint8Array())).toMatchObject({ code: "empty", source: "<0 bytes>" });

    const text = path.join(directory, "text.jpg");
    writeFileSync(text, "not an image\n");
    expect((await refusal(text)).message).toBe(
      `decodeImage: ${text}: is not an image that can be read; save it as one of JPEG, PNG, WebP, GIF, TIFF, AVIF`,
    );
  });

  it.runIf(process.platform === "linux")("does not wait for, or read without end from, what is not a file", async () => {
    expect(await refusal("/dev/zero")).toMatchObject({ code: "not-a-file" });
    const fifo = path.join(directory, "fifo");
    execFileSync("mkfifo", [fifo]);
    expect(await refusal(fifo)).toMatchObject({ code: "not-a-file" });
  });

  it("refuses formats that it does not decode before a decoder sees them", async () => {
    const others = {
      svg: '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>',
      pdf: "%PDF-1.7\n",
      bmp: "BM\0\0\0\0",
      heic: "\0\0\0\u0018ftypheic\0\0\0\0mif1heic",
      jxl: "\0\0\0\u000CJXL \r\n\u0087\n",
    };
    for (const [name, text] of Object.entries(others)) {
      expect(await refusal(Buffer.from(text, "latin1")), name).toMatchObject({ code: "unsupported-format" });
    }
    expect(await refusal(goldenPath("decode/float32.tiff"))).toMatchObject({ code: "unsupported-samples" });
  });

  it("refuses URLs of networks and data, control characters stay out of the line, and long names are cut", async () => {
    expect(await refusal("https://example.org/a.png")).toMatchObject({ code: "bad-source" });
    expect(await refusal(new URL("https://example.org/a.png"))).toMatchObject({ code: "bad-source" });
    const data = await refusal(`data:image/png;base64,${"A".repeat(5000)}`);
    expect(data.code).toBe("bad-source");
    expect(data.message.length).toBeLessThan(350);
    expect(await refusal("file://elsewhere/a.png")).toMatchObject({ code: process.platform === "win32" ? "not-found" : "bad-source" });
    expect((await refusal("two\nlines.png")).message).toContain("two\\u000alines.png");
    expect(await refusal("nul\0.png")).toMatchObject({ code: "unreadable" });
    expect(await refusal("")).toMatchObject({ code: "bad-source" });
    expect(await refusal(42 as unknown as string)).toMatchObject({ code: "bad-source", source: "<number>" });
  });

  it("keeps to its limits of bytes and pixels, whose numbers it names", async () => {
    const photo = goldenPath("photo.jpg");
    const bytes = await refusal(photo, { limits: { maxBytes: 10_000 } });
    expect(bytes.message).toBe(`decodeImage: ${photo}: has 19903 bytes, and the limit is 10000; use a smaller file or raise limits.maxBytes`);
    const pixels = await refusal(photo, { limits: { maxPixels: 66_239 } });
    expect(pixels).toMatchObject({ code: "too-many-pixels" });
    expect(pixels.message).toContain("66239");
    expect(await decodeImage(photo, { limits: { maxPixels: 66_240 } })).toMatchObject({ width: 320, height: 207 });
  });

  it("refuses a bomb by its header: 60000x60000 in a few bytes", async () => {
    const bomb = Buffer.from(goldenBytes("decode/rgb.png"));
    bomb.writeUInt32BE(60_000, 16);
    bomb.writeUInt32BE(60_000, 20);
    // libpng checks the header's checksum first; with the right one the size is what fails.
    bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
    expect(await refusal(bomb)).toMatchObject({ code: "too-many-pixels" });
  });

  it("rejects with the signal's reason, before and during", async () => {
    const reason = new Error("enough");
    await expect(decodeImage(goldenPath("photo.jpg"), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const decoding = decodeImage(goldenPath("photo.jpg"), { signal: controller.signal });
    controller.abort(reason);
    await expect(decoding).rejects.toBe(reason);
  });
});

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

describe("imageSize", () => {
  it.each(Object.entries(expected))("says of %s what decodeImage gives", async (name, { width, height }) => {
    expect(await imageSize(goldenPath(`decode/${name}`))).toEqual({ width, height });
  });

  it("refuses what decodeImage would by its header", async () => {
    const file = goldenBytes("decode/rgb.png");
    const code = (bytes: Uint8Array, limits = {}) => imageSize(bytes, { limits }).then(() => "none", (error: unknown) => (error as ImageError).code);
    expect(await code(file, { maxPixels: 10 })).toBe("too-many-pixels");
    expect(await code(file, { maxBytes: 10 })).toBe("too-many-bytes");
    expect(await code(file.subarray(0, 12))).toBe("damaged");
    expect(await code(Buffer.from("<svg/>"))).toBe("unsupported-format");
  });
});
