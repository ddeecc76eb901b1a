import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { objectNames } from "../objects.js";
import { hasIcon, iconToSvg, readArtSet } from "./art-sets.js";
import { drawSprite, spriteBytes, spriteLevels, spriteSide, type Sprite, type SpriteFacts } from "./sprite.js";

/** Raised when what `drawSprite` writes changes, so that older caches are drawn anew. */
const cacheVersion = 2;

/** Emitted while sprites are drawn; `done` and `total` count the names of one style. */
interface SpriteProgress {
  readonly type: "sprites";
  readonly style: string;
  readonly done: number;
  readonly total: number;
}

/** What `loadSprites` loads and where it caches. */
export interface LoadSpritesOptions {
  readonly styles: readonly string[];
  /** Names of objects.json; all of them if not told. */
  readonly names?: readonly string[];
  /** Folder of the binary caches, a file a style; `node_modules/.cache/sightline-mini` of the repository if not told. */
  readonly cacheDir?: string;
  readonly onProgress?: (event: SpriteProgress) => void;
  readonly signal?: AbortSignal;
}

/** Sprites by style and name. A style may lack a name. */
export class Sprites {
  readonly #byStyle = new Map<string, Map<string, Sprite>>();

  constructor(sprites: Iterable<Sprite>) {
    for (const sprite of sprites) {
      const names = this.#byStyle.get(sprite.style) ?? new Map<string, Sprite>();
      names.set(sprite.name, sprite);
      this.#byStyle.set(sprite.style, names);
    }
  }

  /** Styles that hold at least one sprite. */
  get styles(): string[] {
    return [...this.#byStyle.keys()];
  }

  /** The drawing, or `undefined` where the style has none of that name. */
  get(style: string, name: string): Sprite | undefined {
    return this.#byStyle.get(style)?.get(name);
  }

  /** The drawing; throws where `get` would give `undefined`. */
  need(style: string, name: string): Sprite {
    const sprite = this.get(style, name);
    if (sprite === undefined) throw new Error(`Sprites.need: expected a loaded sprite, got "${name}" in "${style}"; load that style and name first`);
    return sprite;
  }

  /** Names that a style draws. */
  names(style: string): string[] {
    return [...(this.#byStyle.get(style)?.keys() ?? [])];
  }
}

/** The cache folder used when none is told: inside the repository's `node_modules`. */
const defaultCacheDir: string = fileURLToPath(new URL("../../../../../node_modules/.cache/sightline-mini", import.meta.url));

/**
 * Loads sprites, drawing and caching those not drawn yet. Drawing goes on where an interrupted run stopped, and a cache
 * file appears under its final name only when it is whole.
 */
export async function loadSprites(options: LoadSpritesOptions): Promise<Sprites> {
  const cacheDir = options.cacheDir ?? defaultCacheDir;
  const wanted = new Set(options.names ?? objectNames);
  const known = new Set(objectNames);
  for (const name of wanted) {
    if (!known.has(name)) throw new Error(`loadSprites: expected names of objects.json, got "${name}"`);
  }
  await mkdir(cacheDir, { recursive: true });
  const sprites: Sprite[] = [];
  for (const style of options.styles) {
    const path = join(cacheDir, cacheFileName(style));
    if (!existsSync(path)) await drawStyle(style, objectNames, path, options);
    for (const sprite of parseCache(await readFile(path), style).sprites) if (wanted.has(sprite.name)) sprites.push(sprite);
  }
  return new Sprites(sprites);
}

function cacheFileName(style: string): string {
  const hash = createHash("sha256").update(JSON.stringify([cacheVersion, spriteSide, objectNames])).digest("hex").slice(0, 12);
  return `${style}-objects-${hash}.sprites`;
}

async function drawStyle(style: string, names: readonly string[], path: string, options: LoadSpritesOptions): Promise<void> {
  const set = await readArtSet(style);
  const drawable = names.filter((name) => hasIcon(set, name));
  const partial = await adoptPartial(path);
  const file = await open(partial, existsSync(partial) ? "r+" : "w+");
  try {
    const { sprites: done, bytes } = parseCache(await file.readFile(), style);
    await file.truncate(bytes);
    let at = bytes;
    for (const [index, name] of drawable.entries()) {
      if (index < done.length) continue;
      options.signal?.throwIfAborted();
      const { facts, data } = await drawSprite((px) => iconToSvg(set, name, px), style, name);
      const header = Buffer.from(JSON.stringify(facts));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(header.length);
      const record = Buffer.concat([length, header, data]);
      await file.write(record, 0, record.length, at);
      at += record.length;
      options.onProgress?.({ type: "sprites", style, done: index + 1, total: drawable.length });
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
}

/**
 * The file that this process draws into. Each process has its own, so that two at once only do the work twice; what a
 * process that is gone had left is taken over.
 */
async function adoptPartial(path: string): Promise<string> {
  const own = `${path}.${process.pid}.partial`;
  for (const name of await readdir(dirname(path))) {
    const [, pid] = name.startsWith(basename(path)) ? (/\.(\d+)\.partial$/.exec(name) ?? []) : [];
    if (pid === undefined || isRunning(Number(pid))) continue;
    try {
      await rename(join(dirname(path), name), own);
      break;
    } catch {
      // Another process took it first.
    }
  }
  return own;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, under another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Records follow each other: header length (uint32, little-endian), header JSON, pixels. A cut-off last record is left out. */
function parseCache(buffer: Buffer, style: string): { sprites: Sprite[]; bytes: number } {
  const sprites: Sprite[] = [];
  const pixels = spriteBytes(spriteSide);
  let at = 0;
  while (at + 4 <= buffer.length) {
    const start = at + 4 + buffer.readUInt32LE(at);
    if (start + pixels > buffer.length) break;
    const facts = JSON.parse(buffer.toString("utf8", at + 4, start)) as SpriteFacts;
    if (facts.style !== style) throw new Error(`loadSprites: the cache of ${style} holds a sprite of ${facts.style}; delete the cache folder and run again`);
    sprites.push({ ...facts, levels: spriteLevels(buffer.subarray(start, start + pixels), spriteSide) });
    at = start + pixels;
  }
  return { sprites, bytes: at };
}
