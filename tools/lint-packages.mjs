// What every package that is published must have, and what publint and arethetypeswrong say of it: `npm run lint:packages`,
// with names to look at some only. Packages must be built.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { publishedPackages, root } from "./published-packages.mjs";

const run = promisify(execFile);
const attwProgram = path.join(path.dirname(fileURLToPath(import.meta.resolve("@arethetypeswrong/cli/package.json"))), "dist/index.js");

/** @returns {Promise<string[]>} what is wrong with a package, one line each */
async function packageProblems({ directory, manifest, hasCode }) {
  const problems = [];
  for (const field of ["description", "license", "files", "exports"]) if (!manifest[field]) problems.push(`package.json: expected "${field}"`);
  if (!existsSync(path.join(directory, "LICENSE"))) problems.push("LICENSE: expected a copy of the repository's");
  else if (readFileSync(path.join(directory, "LICENSE"), "utf8") !== readFileSync(path.join(root, "LICENSE"), "utf8")) problems.push("LICENSE: differs from the repository's");
  if (!existsSync(path.join(directory, "README.md"))) problems.push("README.md: expected one, with an example that runs");
  else if (hasCode && !/^```(js|sh)$/m.test(readFileSync(path.join(directory, "README.md"), "utf8"))) problems.push("README.md: expected an example in a js or sh block");
  if (hasCode) {
    if (!manifest.engines?.node) problems.push('package.json: expected "engines.node"');
    for (const [entry, target] of Object.entries(manifest.exports ?? {})) if (typeof target === "object" && !target.types) problems.push(`package.json: exports["${entry}"]: expected "types"`);
  }
  problems.push(...(await publintProblems(directory, manifest)), ...(await packedProblems(directory, hasCode)));
  return problems;
}

async function publintProblems(directory, manifest) {
  const { messages } = await publint({ pkgDir: directory, strict: true, pack: "npm" });
  // Where the repository lies is written by the release workflow (tools/name-repository.mjs).
  return messages.filter(({ type }) => type !== "suggestion").map((message) => `publint: ${formatMessage(message, manifest, { color: false })}`);
}

async function packedProblems(directory, hasCode) {
  const folder = mkdtempSync(path.join(tmpdir(), "lint-packages-"));
  try {
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: directory, maxBuffer: 2 ** 26 });
    const [{ filename, files }] = JSON.parse(stdout);
    const stray = files.map((file) => file.path).filter((name) => /\.tsbuildinfo$|(^|\/)test\/|\.test\./.test(name));
    const problems = stray.map((name) => `${name}: is packed, and nobody who installs it needs it`);
    if (!hasCode) return problems;
    const attw = await run(process.execPath, [attwProgram, path.join(folder, filename), "--profile", "esm-only", "--format", "ascii", "--no-color", "--no-emoji"], { maxBuffer: 2 ** 26 }).catch((error) => error);
    if (attw.code) problems.push(`arethetypeswrong: ${attw.stdout || attw.stderr}`);
    return problems;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  const asked = process.argv.slice(2);
  const packages = publishedPackages().filter(({ name }) => asked.length === 0 || asked.includes(name));
  const next = packages.values();
  let failed = packages.length === 0 ? 1 : 0;
  const work = async () => {
    for (const entry of next) {
      const problems = await packageProblems(entry);
      failed += problems.length;
      process.stdout.write(`${entry.name}: ${problems.length === 0 ? "fine" : `\n  ${problems.join("\n  ")}`}\n`);
    }
  };
  await Promise.all([work(), work()]);
  process.exitCode = failed === 0 ? 0 : 1;
}
