import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { crc32, deflateSync } from "node:zlib";
import type { RunningServer } from "@sightline/server";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { aboutScene, answer, miniServer, post, question, scene, sceneUrl } from "./mini-server.js";

let folder: string;
let server: RunningServer;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "media-"));
  await mkdir(path.join(folder, "media/inner"), { recursive: true });
  await writeFile(path.join(folder, "media/scene.png"), scene);
  await writeFile(path.join(folder, "media/inner/a b.png"), scene);
  await writeFile(path.join(folder, "media/notes.txt"), "not an image");
  await writeFile(path.join(folder, "outside.png"), scene);
  await mkdir(path.join(folder, "media-beside"));
  await writeFile(path.join(folder, "media-beside/scene.png"), scene);
  await symlink(path.join(folder, "outside.png"), path.join(folder, "media/link.png"));
  await symlink(folder, path.join(folder, "media/up"));
  server = await miniServer({ mediaRoot: path.join(folder, "media"), limits: { images: 3, imageBytes: 1_000_000, pixels: 2_000_000, bodyBytes: 6_000_000, characters: 20_000 } });
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const ask = (...urls: string[]) => post(server, "/v1/chat/completions", { messages: [{ role: "user", content: [...urls.map((url) => ({ type: "image_url", image_url: { url } })), { type: "text", text: question }] }], max_tokens: 20 });
const png = (bytes: Uint8Array): string => `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`;
const flat = (width: number, height: number, channels: 3 | 4 = 3) => sharp({ create: { width, height, channels, background: "#c83214" } });

describe("files below the media root", () => {
  it.each(["scene.png", "./inner/../scene.png", "file://scene.png", "inner/a b.png", "file://inner/a%20b.png", "up/media/scene.png"])("are read as %s", async (name) => {
    expect((await ask(name)).json.choices?.[0].message.content).toBe(answer);
  });

  it("are read by their whole path and URL", async () => {
    const whole = path.join(folder, "media/scene.png");
    for (const name of [whole, `file://${whole}`, `FILE://localhost${whole}`]) expect((await ask(name)).status).toBe(name.startsWith("FILE") ? 400 : 200);
  });

  it.each([
    "../outside.png", "inner/../../outside.png", "link.png", "up/outside.png", "../media-beside/scene.png", "file://../outside.png", "file://..%2foutside.png", "file:///etc/passwd", "/etc/passwd", "/etc/hostname.png",
    "file://%2e%2e/outside.png", "..\\outside.png", "scene.png\0.txt", "file://scene.png%00", "missing.png", "", ".", "..", "inner/", "file://", "file:///", "/dev/zero.png", "/proc/self/environ.x",
  ])("are all that is read: %s is not", async (name) => {
    const { status, json } = await ask(name);
    expect(status).toBe(400);
    expect(JSON.stringify(json)).not.toContain(folder);
    expect(json.error.code).toMatch(/^(image_|invalid_value)/);
  });

  it("are not named where they are no images, and none is read without a root", async () => {
    const text = await ask("notes.txt");
    expect([text.status, text.json.error.code]).toEqual([400, "image_unsupported_format"]);
    expect(text.json.error.message).not.toContain(folder);
    await using closed = await miniServer({ siglip: [] });
    for (const name of ["scene.png", path.join(folder, "media/scene.png"), `file://${path.join(folder, "media/scene.png")}`]) {
      const { status, json } = await post(closed, "/v1/chat/completions", { messages: [aboutScene(question, name)] });
      expect([status, json.error.code]).toEqual([400, "image_bad_source"]);
    }
  });
});

describe("images of odd shapes", () => {
  it.each([
    ["of one pixel", () => flat(1, 1).png().toBuffer()],
    ["tall and narrow", () => flat(1, 50_000).png().toBuffer()],
    ["in CMYK", () => flat(64, 64).toColourspace("cmyk").jpeg().toBuffer()],
    ["with 16 bits", () => flat(64, 64).toColourspace("rgb16").png().toBuffer()],
    ["with a transparent ground", () => flat(64, 64, 4).png().toBuffer()],
    ["in grey", () => flat(64, 64).greyscale().png().toBuffer()],
    ["as WebP", () => flat(64, 64).webp().toBuffer()],
    ["as AVIF", () => flat(64, 64).avif().toBuffer()],
    ["as TIFF", () => flat(64, 64).tiff().toBuffer()],
    ["animated", async () => sharp(Buffer.alloc(32 * 64 * 3, 90), { raw: { width: 32, height: 64, channels: 3, pageHeight: 32 } }).gif().toBuffer()],
  ])("%s are seen", async (_, bytes) => {
    const { status, json } = await ask(png(await bytes()));
    expect(status).toBe(200);
    expect(json.usage.prompt_tokens_details.image_tokens).toBe(64);
  });

  it.each([
    ["cut in half", () => Promise.resolve(scene.subarray(0, scene.length >> 1)), "image_damaged"],
    ["cut in its header", () => Promise.resolve(scene.subarray(0, 20)), "image_damaged"],
    ["SVG, which could name files", () => Promise.resolve(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>')), "image_unsupported_format"],
    ["PDF", () => Promise.resolve(Buffer.from("%PDF-1.7\n")), "image_unsupported_format"],
    ["a web page", () => Promise.resolve(Buffer.from("<!doctype html><p>x")), "image_unsupported_format"],
    ["of floating point", () => Promise.resolve(floatTiff()), "image_unsupported_samples"],
  ])("%s are refused, in words of our own", async (what, bytes, code) => {
    const { status, json } = await ask(png(await bytes()));
    // Pixels that are damaged behind a whole header are met when they are decoded, after all images have been looked at.
    expect([status, json.error.code, json.error.param]).toEqual([400, code, what === "cut in half" ? null : "messages[0].content[0].image_url"]);
    expect(json.error.message).not.toMatch(/vips|0x[0-9a-f]{6}|libspng|sharp/i);
  });
});

describe("the budget of a request's images", () => {
  it("ends a bomb of pixels at its header", async () => {
    const bomb = bombPng(20_000);
    expect(bomb.length).toBeLessThan(100_000);
    await using large = await miniServer({ siglip: [] });
    const before = process.memoryUsage.rss();
    const started = performance.now();
    const { status, json } = await post(large, "/v1/chat/completions", { messages: [aboutScene(question, png(bomb))] });
    expect([status, json.error.code]).toEqual([400, "image_too_many_pixels"]);
    expect(performance.now() - started).toBeLessThan(1000);
    // Decoded it would be 1.2 GB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
  });

  it("counts the pixels of all of them together", async () => {
    const [one, two] = [png(await flat(1000, 900).png().toBuffer()), png(await flat(1100, 1100).png().toBuffer())];
    expect((await ask(one)).status).toBe(200);
    expect((await ask(two)).status).toBe(200);
    const both = await ask(one, two);
    expect([both.status, both.json.error.code, both.json.error.param]).toEqual([400, "image_too_many_pixels", "messages[0].content[1].image_url"]);
  });

  it("counts images over all messages, repeated ones too", async () => {
    const { status, json } = await post(server, "/v1/chat/completions", { messages: [aboutScene(), { role: "assistant", content: answer }, aboutScene(), { role: "assistant", content: answer }, aboutScene(), { role: "assistant", content: answer }, aboutScene()] });
    expect([status, json.error.code, json.error.param]).toEqual([400, "too_many_images", "messages[6].content[0].image_url"]);
  });

  it("counts an image's bytes before it is looked at", async () => {
    const { status, json } = await ask(`data:image/png;base64,${"A".repeat(1_600_000)}`);
    expect([status, json.error.code]).toEqual([413, "image_too_many_bytes"]);
  });

  it("counts characters of text", async () => {
    const { status, json } = await post(server, "/v1/chat/completions", { messages: [{ role: "user", content: "x".repeat(20_001) }] });
    expect([status, json.error.code]).toEqual([400, "too_many_characters"]);
  });

  it("holds for tags, heatmaps and embeddings too", async () => {
    const large = png(await flat(2000, 1100).png().toBuffer());
    for (const [path, body] of [["/v1/tag", { image: large, labels: ["a"] }], ["/v1/heatmap", { image: large, text: "a" }], ["/v1/embeddings", { input: [{ content: [{ type: "image_url", image_url: large }] }] }]] as const) {
      const { status, json } = await post(server, path, body);
      expect([path, status, json.error.code]).toEqual([path, 400, "image_too_many_pixels"]);
    }
    expect((await post(server, "/v1/tag", { image: sceneUrl, labels: ["a"] })).status).toBe(200);
  });
});

/** A whole PNG of so many pixels a side in one bit each, all black. */
function bombPng(side: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const bytes = Buffer.alloc(data.length + 12);
    bytes.writeUInt32BE(data.length, 0);
    bytes.write(type, 4, "latin1");
    data.copy(bytes, 8);
    bytes.writeUInt32BE(crc32(bytes.subarray(4, data.length + 8)), data.length + 8);
    return bytes;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1;
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk("IHDR", header), chunk("IDAT", deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))), { level: 9 })), chunk("IEND", Buffer.alloc(0))]);
}

/** A TIFF of one pixel with 32-bit float samples. */
function floatTiff(): Buffer {
  const entries = [[256, 3, 1, 1], [257, 3, 1, 1], [258, 3, 1, 32], [259, 3, 1, 1], [262, 3, 1, 1], [273, 4, 1, 122], [277, 3, 1, 1], [278, 3, 1, 1], [279, 4, 1, 4]];
  const bytes = Buffer.alloc(138);
  bytes.write("II*\0", "latin1");
  bytes.writeUInt32LE(8, 4);
  entries.push([339, 3, 1, 3]);
  bytes.writeUInt16LE(entries.length, 8);
  entries.forEach(([tag, type, count, value], i) => {
    const at = 10 + 12 * i;
    bytes.writeUInt16LE(tag as number, at);
    bytes.writeUInt16LE(type as number, at + 2);
    bytes.writeUInt32LE(count as number, at + 4);
    bytes.writeUInt32LE(tag === 273 ? 134 : (value as number), at + 8);
  });
  bytes.writeFloatLE(0.5, 134);
  return bytes;
}
