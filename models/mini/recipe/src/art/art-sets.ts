import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

/** One published set of emoji drawings: the style's name, its npm package and its licence. */
export interface ArtSet {
  readonly style: string;
  readonly packageName: string;
  readonly licence: string;
  readonly source: string;
  /** `heldOut` sets are drawn only by tests and never by a training sampler. */
  readonly split: "train" | "heldOut";
}

/** Every art set that the recipe knows, with the licence that its package states. */
export const artSets: readonly ArtSet[] = [
  artSet("noto", "Apache-2.0", "https://github.com/googlefonts/noto-emoji", "train"),
  artSet("noto-v1", "Apache-2.0", "https://github.com/googlefonts/noto-emoji", "train"),
  artSet("fluent-emoji-flat", "MIT", "https://github.com/microsoft/fluentui-emoji", "train"),
  artSet("fluent-emoji", "MIT", "https://github.com/microsoft/fluentui-emoji", "train"),
  artSet("twemoji", "CC-BY-4.0", "https://github.com/twitter/twemoji", "train"),
  artSet("fxemoji", "Apache-2.0", "https://github.com/mozilla/fxemoji", "train"),
  artSet("openmoji", "CC-BY-SA-4.0", "https://github.com/hfg-gmuend/openmoji", "heldOut"),
  artSet("emojione", "CC-BY-4.0", "https://github.com/EmojiTwo/emojitwo", "heldOut"),
];

/** Styles that training scenes may use. */
export const trainStyles: readonly string[] = artSets.filter((set) => set.split === "train").map((set) => set.style);

/** Styles that only test scenes may use: the model never sees them in training. */
export const heldOutStyles: readonly string[] = artSets.filter((set) => set.split === "heldOut").map((set) => set.style);

function artSet(style: string, licence: string, source: string, split: "train" | "heldOut"): ArtSet {
  return { style, packageName: `@iconify-json/${style}`, licence, source, split };
}

/** An icon or an alias as iconify's JSON stores it; an alias names its parent instead of a body. */
interface StoredIcon {
  readonly body?: string;
  readonly parent?: string;
  readonly left?: number;
  readonly top?: number;
  readonly width?: number;
  readonly height?: number;
  readonly rotate?: number;
  readonly hFlip?: boolean;
  readonly vFlip?: boolean;
}

/** The part of iconify's JSON that the recipe reads. */
export interface IconifyJson {
  readonly width?: number;
  readonly height?: number;
  readonly icons: Readonly<Record<string, StoredIcon>>;
  readonly aliases?: Readonly<Record<string, StoredIcon>>;
}

/** An icon with its aliases followed: SVG body, its view box, and what the alias turned. */
export interface ResolvedIcon {
  readonly body: string;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** Quarter turns clockwise, 0 to 3. */
  readonly rotate: number;
  readonly hFlip: boolean;
  readonly vFlip: boolean;
}

/** The directory-independent location of a style's `icons.json`, found through Node's resolver. */
function artSetPath(style: string): string {
  const set = artSets.find((candidate) => candidate.style === style);
  if (set === undefined) {
    throw new Error(`artSetPath: expected one of ${artSets.map((s) => s.style).join(", ")}, got "${style}"`);
  }
  try {
    return createRequire(import.meta.url).resolve(`${set.packageName}/icons.json`);
  } catch (cause) {
    throw new Error(`artSetPath: ${set.packageName} is not installed; run npm ci in the repository root`, { cause });
  }
}

/** Reads and parses a style's icons (fluent-emoji is 100 MB: read it once and let it go). */
export async function readArtSet(style: string): Promise<IconifyJson> {
  const path = artSetPath(style);
  const parsed: unknown = JSON.parse(await readFile(path, "utf8"));
  if (typeof parsed !== "object" || parsed === null || !("icons" in parsed)) {
    throw new Error(`readArtSet: expected iconify JSON with "icons" in ${path}`);
  }
  return parsed as IconifyJson;
}

/** True if the set draws `name`, directly or through an alias. */
export function hasIcon(set: IconifyJson, name: string): boolean {
  return Object.hasOwn(set.icons, name) || (set.aliases !== undefined && Object.hasOwn(set.aliases, name));
}

/** Follows aliases to the drawing; an alias may flip or turn its parent. Throws for an unknown name or a loop. */
export function resolveIcon(set: IconifyJson, name: string): ResolvedIcon {
  const chain: StoredIcon[] = [];
  let at = name;
  for (;;) {
    const stored = Object.hasOwn(set.icons, at) ? set.icons[at] : Object.hasOwn(set.aliases ?? {}, at) ? set.aliases?.[at] : undefined;
    if (stored === undefined) throw new Error(`resolveIcon: the set draws no "${at}"${at === name ? "" : ` (alias of "${name}")`}`);
    chain.push(stored);
    if (stored.body !== undefined) break;
    if (stored.parent === undefined || chain.length > 8) throw new Error(`resolveIcon: alias "${name}" leads to no drawing`);
    at = stored.parent;
  }
  // The alias nearest to the asked name wins for sizes; turns and flips add up.
  const first = <K extends "left" | "top" | "width" | "height">(key: K): number | undefined =>
    chain.find((icon) => icon[key] !== undefined)?.[key];
  return {
    body: chain[chain.length - 1]?.body ?? "",
    left: first("left") ?? 0,
    top: first("top") ?? 0,
    width: first("width") ?? set.width ?? 16,
    height: first("height") ?? set.height ?? 16,
    rotate: chain.reduce((sum, icon) => sum + (icon.rotate ?? 0), 0) & 3,
    hFlip: chain.reduce((flip, icon) => flip !== (icon.hFlip ?? false), false),
    vFlip: chain.reduce((flip, icon) => flip !== (icon.vFlip ?? false), false),
  };
}

/** A standalone SVG document of `name`, whose longer side is `px` pixels. */
export function iconToSvg(set: IconifyJson, name: string, px: number): string {
  const icon = resolveIcon(set, name);
  const turns: string[] = [];
  const cx = icon.left + icon.width / 2;
  const cy = icon.top + icon.height / 2;
  if (icon.rotate !== 0) turns.push(`rotate(${icon.rotate * 90} ${cx} ${cy})`);
  if (icon.hFlip) turns.push(`translate(${2 * cx} 0) scale(-1 1)`);
  if (icon.vFlip) turns.push(`translate(0 ${2 * cy}) scale(1 -1)`);
  const body = turns.length === 0 ? icon.body : `<g transform="${turns.join(" ")}">${icon.body}</g>`;
  // A quarter turn of an oblong icon swaps the sides of its view box about the same centre.
  const [width, height] = icon.rotate % 2 === 1 ? [icon.height, icon.width] : [icon.width, icon.height];
  const scale = px / Math.max(width, height);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
    `width="${width * scale}" height="${height * scale}" ` +
    `viewBox="${cx - width / 2} ${cy - height / 2} ${width} ${height}">${body}</svg>`
  );
}
