import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { HubError } from "../hub-error.js";
import { nearestNames } from "./nearest-names.js";
import { parseModelManifest, type ModelManifest } from "./model-manifest.js";

let known: Promise<readonly ModelManifest[]> | undefined;

/**
 * The manifests of @sightline/models, by name.
 * @throws HubError `bad-manifest`
 */
export function knownModels(): Promise<readonly ModelManifest[]> {
  known ??= readManifests(path.dirname(createRequire(import.meta.url).resolve("@sightline/models/package.json")));
  return known;
}

/**
 * Reads a folder of manifests.
 * @throws HubError `bad-manifest` naming the file
 */
export async function readManifests(folder: string): Promise<readonly ModelManifest[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json") && name !== "package.json").sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(path.join(folder, name), "utf8");
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (cause) {
        throw new HubError("bad-manifest", `readManifests: ${name}: expected JSON`, { cause });
      }
      const manifest = parseModelManifest(value, name);
      if (`${manifest.name}.json` !== name) throw new HubError("bad-manifest", `readManifests: ${name}: expected the name to be that of the file, got ${manifest.name}`);
      return manifest;
    }),
  );
}

/** The manifest that a name or a hub name means; undefined where none does. */
export async function findManifest(name: string): Promise<ModelManifest | undefined> {
  const wanted = name.toLowerCase();
  return (await knownModels()).find((manifest) => manifest.name === wanted || manifest.aliases.some((alias) => alias.toLowerCase() === wanted));
}

/** ` (did you mean A or B?)`, or nothing where no known name is near. */
export async function suggestion(name: string): Promise<string> {
  const near = nearestNames(name, (await knownModels()).flatMap((manifest) => (name.includes("/") ? manifest.aliases : [manifest.name])));
  return near.length === 0 ? "" : ` (did you mean ${near.join(" or ")}?)`;
}
