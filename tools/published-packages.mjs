// The workspaces that are published: those that are not private.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * @typedef {{ readonly name: string, readonly directory: string, readonly manifest: Record<string, any>, readonly hasCode: boolean }} PublishedPackage
 * @returns {PublishedPackage[]} by name; `directory` is absolute
 */
export function publishedPackages() {
  const { workspaces } = readJson(path.join(root, "package.json"));
  return workspaces
    .flatMap((pattern) => (pattern.endsWith("/*") ? readdirSync(path.join(root, pattern.slice(0, -2))).map((name) => path.join(root, pattern.slice(0, -2), name)) : [path.join(root, pattern)]))
    .filter((directory) => existsSync(path.join(directory, "package.json")))
    .map((directory) => {
      const manifest = readJson(path.join(directory, "package.json"));
      return { name: manifest.name, directory, manifest, hasCode: existsSync(path.join(directory, "src")) };
    })
    .filter(({ manifest }) => manifest.private !== true)
    .sort((a, b) => a.name.localeCompare(b.name));
}

function readJson(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}
