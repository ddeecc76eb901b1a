// Writes the repository into every published package.json: `node tools/name-repository.mjs owner/name`. The release workflow
// does this before it publishes, since npm compares it with where the workflow ran.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { publishedPackages, root } from "./published-packages.mjs";

const [repository] = process.argv.slice(2);
if (!/^[\w.-]+\/[\w.-]+$/.test(repository ?? "")) throw new Error(`name-repository: expected owner/name, got ${repository}`);
for (const { directory } of publishedPackages()) {
  const file = path.join(directory, "package.json");
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  manifest.repository = { type: "git", url: `git+https://github.com/${repository}.git`, directory: path.relative(root, directory).replaceAll(path.sep, "/") };
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}
