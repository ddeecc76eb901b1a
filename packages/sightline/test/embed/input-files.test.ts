import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { ImageInput } from "../../src/embed/embed-inputs.js";
import { imageFiles, textFiles } from "../../src/embed/input-files.js";
import { golden, temporaryFolder } from "../command.js";

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(path.join(folder, "deep", "er"), { recursive: true });
  await mkdir(path.join(folder, "empty"));
  for (const name of ["b.JPG", "a.jpeg", "deep/c.jpg", "deep/er/d.Jpeg"]) await copyFile(golden("photo.jpg"), path.join(folder, name));
  for (const name of ["notes.md", "deep/.hidden.jpg"]) await writeFile(path.join(folder, name), "");
});
afterAll(() => rm(folder, { recursive: true }));

async function tar(members: readonly (readonly [name: string, bytes: Uint8Array])[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, bytes] of members) archive.entry({ name }, Buffer.from(bytes));
  archive.entry({ name: "folder", type: "directory" });
  archive.finalize();
  return buffer(archive);
}

async function pathsOf(inputs: AsyncIterable<{ readonly path: string }>): Promise<string[]> {
  const paths: string[] = [];
  for await (const input of inputs) paths.push(path.relative(folder, input.path));
  return paths;
}

async function all<T>(inputs: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const input of inputs) items.push(input);
  return items;
}

describe("imageFiles", () => {
  it("reads a folder and the folders in it, sorted, whatever the case of an extension", async () => {
    expect(await pathsOf(await imageFiles([folder]))).toEqual(["a.jpeg", "b.JPG", "deep/c.jpg", "deep/er/d.Jpeg"]);
  });

  it("takes files, globs and runs in the order in which they are named", async () => {
    for (const name of ["s-1.png", "s-2.png"]) await copyFile(golden("decode/rgb.png"), path.join(folder, "deep", name));
    expect(await pathsOf(await imageFiles([path.join(folder, "deep/s-{2..1}.png"), path.join(folder, "b.JPG"), path.join(folder, "deep/*.{jpg,png}")]))).toEqual([
      "deep/s-2.png", "deep/s-1.png", "b.JPG", "deep/c.jpg", "deep/s-1.png", "deep/s-2.png",
    ]);
  });

  it("takes a file for itself even if its name looks like a pattern", async () => {
    await copyFile(golden("photo.jpg"), path.join(folder, "deep", "[x]*.jpg"));
    expect(await pathsOf(await imageFiles([path.join(folder, "deep", "[x]*.jpg")]))).toEqual(["deep/[x]*.jpg"]);
  });

  it("reads the paths in a list, though they need not exist", async () => {
    const list = path.join(folder, "list.txt");
    await writeFile(list, `${path.join(folder, "a.jpeg")}\r\n\n  ${path.join(folder, "nowhere.jpg")}`);
    expect(await pathsOf(await imageFiles([`@${list}`]))).toEqual(["a.jpeg", "nowhere.jpg"]);
  });

  it.each([
    ["nowhere", /nowhere: no such file or folder/],
    ["empty", /empty: the folder holds no image/],
    ["*.webp", /\*\.webp: the pattern matches no file/],
    ["shard-{0..1}.tar", /shard-0\.tar: no such file or folder/],
  ])("refuses %s", async (input, message) => {
    await expect(imageFiles([path.join(folder, input)])).rejects.toThrow(message);
  });

  it("refuses a list that is not there", async () => {
    await expect(imageFiles(["@nowhere.txt"])).rejects.toThrow("@nowhere.txt: no such list of paths");
  });

  it("reads the images of tar files, packed or not, with WebDataset's keys", async () => {
    const photo = await readFile(golden("photo.jpg"));
    const bytes = await tar([["x/000.left.jpg", photo], ["x/000.txt", Buffer.from("a photo")], ["x/._000.jpg", photo], ["001.PNG", photo]]);
    await writeFile(path.join(folder, "s.tar"), bytes);
    await writeFile(path.join(folder, "s.tar.gz"), gzipSync(bytes));
    for (const name of ["s.tar", "s.tar.gz"]) {
      const inputs = await imageFiles([path.join(folder, name)]);
      expect(inputs.share()).toBe(0);
      const images = (await all(inputs)) as (ImageInput & { image: Uint8Array })[];
      expect(images.map(({ key, path: from }) => [key, path.relative(folder, from)])).toEqual([["x/000", `${name}/x/000.left.jpg`], ["001", `${name}/001.PNG`]]);
      for (const { image } of images) expect(Buffer.from(image)).toEqual(photo);
      expect(inputs.share()).toBe(1);
    }
  });

  it("gives what a damaged tar file holds before the damage, then its error, then the next file", async () => {
    const photo = await readFile(golden("photo.jpg"));
    const bytes = await tar([["a.jpg", photo], ["b.jpg", photo]]);
    const packed = gzipSync(bytes);
    const damaged: [string, Uint8Array, boolean][] = [
      ["short.tar", bytes.subarray(0, photo.length + 2000), true],
      ["short.tar.gz", packed.subarray(0, packed.length - 30), true],
      ["nothing.tgz", Buffer.from("not packed"), false],
      ["text.tar", Buffer.from("no tar file ".repeat(100)), false],
    ];
    for (const [name, content, holdsOne] of damaged) {
      const file = path.join(folder, name);
      await writeFile(file, content);
      const inputs = await all(await imageFiles([file, path.join(folder, "a.jpeg")]));
      const failures = inputs.filter((input) => "error" in input);
      expect(failures, name).toHaveLength(1);
      expect(failures[0], name).toMatchObject({ path: file, error: { message: expect.stringMatching(/is no tar file, damaged, or ends too early/) } });
      if (holdsOne) expect(inputs[0]).toMatchObject({ key: "a", path: `${file}/a.jpg` });
      expect(inputs.at(-1)).toMatchObject({ path: path.join(folder, "a.jpeg") });
    }
  });
});

describe("textFiles", () => {
  it("reads lines, blank ones left out, and says which line is not UTF-8", async () => {
    const file = path.join(folder, "captions.txt");
    await writeFile(file, Buffer.concat([Buffer.from("\ufeffa cat\n\n  كلب \r\n"), Uint8Array.of(0xff, 0x0a), Buffer.from("👩‍🚀")]));
    const texts = await all(await textFiles([file]));
    expect(texts).toMatchObject([
      { path: `${file}:1`, text: "a cat" },
      { path: `${file}:3`, text: "كلب" },
      { path: `${file}:4`, error: { message: expect.stringMatching(/captions\.txt:4: is not UTF-8/) } },
      { path: `${file}:5`, text: "👩‍🚀" },
    ]);
  });

  it("takes each .txt member of a tar file as one text", async () => {
    const file = path.join(folder, "captions.tar");
    await writeFile(file, await tar([["000.jpg", Buffer.from("no text")], ["000.txt", Buffer.from("a cat\non a mat\n")]]));
    expect(await all(await textFiles([file]))).toEqual([{ key: "000", path: `${file}/000.txt`, text: "a cat\non a mat" }]);
  });

  it("reads the .txt files of a folder", async () => {
    await mkdir(path.join(folder, "texts"));
    for (const name of ["b.txt", "a.TXT", "c.md"]) await writeFile(path.join(folder, "texts", name), `${name} 1\n${name} 2\n`);
    expect((await all(await textFiles([path.join(folder, "texts")]))).map((input) => ("text" in input ? input.text : ""))).toEqual(["a.TXT 1", "a.TXT 2", "b.txt 1", "b.txt 2"]);
  });
});
