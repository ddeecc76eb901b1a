// Packs every published package and installs the tarballs into an empty folder, as a user would from the registry:
// `node tools/pack-and-install.mjs FOLDER`. Packages of others come from npm's cache, or from the registry.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { publishedPackages, root } from "./published-packages.mjs";

/** @returns {string} the project's folder */
export function packAndInstall(folder) {
  const tarballs = path.join(folder, "tarballs");
  const project = path.join(folder, "project");
  mkdirSync(tarballs, { recursive: true });
  mkdirSync(project, { recursive: true });
  const packages = publishedPackages();
  npm(["pack", "--silent", "--pack-destination", tarballs, ...packages.flatMap(({ name }) => ["-w", name])], root);
  const files = readdirSync(tarballs);
  const fileOf = ({ name, manifest }) => {
    const file = `${name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`;
    if (!files.includes(file)) throw new Error(`pack-and-install: npm pack wrote no ${file}`);
    return `file:${path.join(tarballs, file)}`;
  };
  const dependencies = Object.fromEntries(packages.map((entry) => [entry.name, fileOf(entry)]));
  writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "empty-project", private: true, type: "module", dependencies }));
  // No install script is needed; ONNX Runtime's would fetch CUDA libraries.
  npm(["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], project);
  return project;
}

function npm(args, cwd) {
  // What npm told this process about this repository must not reach the other one.
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  execFileSync("npm", args, { cwd, env: { ...environment, ...proxies() }, stdio: ["ignore", "ignore", "inherit"] });
}

/** Settings of npm that say where it gets packages, which come as npm_config_… variables too. */
function proxies() {
  const kept = /^npm_config_(registry|cache|proxy|https_proxy|noproxy|cafile)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.test(name)));
}

if (process.argv[1] === import.meta.filename) {
  const [folder] = process.argv.slice(2);
  if (!folder) throw new Error("pack-and-install: expected a folder");
  process.stdout.write(`${packAndInstall(path.resolve(folder))}\n`);
}
