import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { golden, run, temporaryFolder } from "./command.js";

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

/** Asks for few tokens: any weights may end at once or never. */
function chatAbout(image: string): ReturnType<typeof run> {
  return run(["chat", image, "-p", "What is this?", "--max-tokens", "4"]);
}

async function sized(name: string, width: number, height: number): Promise<string> {
  const file = path.join(folder, name);
  await sharp({ create: { width, height, channels: 3, background: "orange" } }).png().toFile(file);
  return file;
}

describe("sightline chat answers about", () => {
  it.each<[string, () => string | Promise<string>]>([
    ["one pixel", () => sized("pixel.png", 1, 1)],
    ["a line of 20000 x 1 pixels", () => sized("line.png", 20000, 1)],
    ["a 16-bit PNG", () => golden("decode/rgb16.png")],
    ["a CMYK JPEG", () => golden("decode/cmyk.jpg")],
    ["an animated GIF", () => golden("decode/animated.gif")],
    ["an animated WebP", () => golden("decode/animated.webp")],
    ["a JPEG turned by EXIF", () => golden("decode/orientation-6.jpg")],
    ["a PNG with alpha", () => golden("decode/rgba.png")],
    ["a grey picture", () => golden("decode/grey.png")],
    ["an AVIF", () => golden("decode/rgb.avif")],
  ])("%s", async (_, image) => {
    const { code, stdout, stderr } = await chatAbout(await image());
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.endsWith("\n")).toBe(true);
  });
});

describe("sightline chat says in one line what is wrong with", () => {
  const made = async (name: string, bytes: Uint8Array): Promise<string> => {
    const file = path.join(folder, name);
    await writeFile(file, bytes);
    return file;
  };

  it.each<[string, () => Promise<string>]>([
    ["a text file", () => made("text.png", new TextEncoder().encode("this is no image, whatever its name says\n".repeat(10)))],
    ["an empty file", () => made("empty.jpg", new Uint8Array(0))],
    ["a JPEG that ends in its header", async () => made("short.jpg", (await readFile(golden("photo.jpg"))).subarray(0, 40))],
    ["a PNG that ends in its header", async () => made("short.png", (await readFile(golden("decode/rgb.png"))).subarray(0, 30))],
    ["a file that is not there", async () => path.join(folder, "nowhere.png")],
    ["a folder", async () => {
      await mkdir(path.join(folder, "folder.png"), { recursive: true });
      return path.join(folder, "folder.png");
    }],
  ])("%s", async (_, image) => {
    const file = await image();
    const { code, stdout, stderr } = await chatAbout(file);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^sightline: [^\n]+\n$/);
    expect(stderr).toContain(path.basename(file));
  });

  it("a JPEG that ends amid its pixels, or shows what there is", async () => {
    const bytes = await readFile(golden("photo.jpg"));
    const { code, stderr } = await chatAbout(await made("half.jpg", bytes.subarray(0, bytes.length >> 1)));
    if (code === 0) expect(stderr).toBe("");
    else expect({ code, lines: stderr.split("\n").length - 1 }).toEqual({ code: 1, lines: 1 });
  });
});
