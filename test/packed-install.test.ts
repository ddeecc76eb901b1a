import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packAndInstall } from "../tools/pack-and-install.mjs";
import { publishedPackages, root } from "../tools/published-packages.mjs";

const execute = promisify(execFile);
const minutes = 60_000;

let folder: string;
let project: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "packed-install-"));
  project = packAndInstall(folder);
  await copyFile(path.join(root, "examples/scene.png"), path.join(project, "photo.png"));
}, 6 * minutes);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a command prints in the project; it must end well. */
async function run(command: string, args: readonly string[]): Promise<string> {
  // Nothing of this repository may help.
  const { NODE_PATH: _, ...env } = process.env;
  return (await execute(command, [...args], { cwd: project, env, timeout: 3 * minutes })).stdout;
}

const command = "node_modules/sightline/bin/sightline.js";

describe("tarballs of the packages, installed into an empty project without install scripts", () => {
  it("import as ES modules, each with something in it", async () => {
    // A package under construction exports nothing yet.
    const built = publishedPackages().filter(({ directory, hasCode }) => hasCode && /export [{*]\s*[a-zA-Z*]/.test(readSource(directory)));
    expect(built.length).toBeGreaterThanOrEqual(7);
    const code = `const counts = {}; for (const name of ${JSON.stringify(built.map(({ name }) => name))}) counts[name] = Object.keys(await import(name)).length; console.log(JSON.stringify(counts));`;
    const counts = JSON.parse(await run(process.execPath, ["--input-type=module", "-e", code])) as Record<string, number>;
    for (const [name, count] of Object.entries(counts)) expect(count, name).toBeGreaterThan(0);
    // Nothing came from elsewhere.
    expect(await run(process.execPath, ["--input-type=module", "-e", 'console.log(import.meta.resolve("@sightline/weights"))'])).toContain("/project/node_modules/");
  });

  it("give the `sightline` command, which answers about a picture", async () => {
    expect(await run("npx", ["--no-install", "sightline", "chat", "photo.png", "-p", "What do you see?"])).toMatch(/airplane.*hamburger.*sailboat/);
    const { tags } = (JSON.parse(await run("npx", ["--no-install", "sightline", "tag", "photo.png", "--labels", "airplane,dog", "--model", "mini", "--json"])) as { tags: { label: string; probability: number }[] }[])[0] as { tags: { label: string; probability: number }[] };
    expect(tags[0]).toMatchObject({ label: "airplane" });
    expect(tags[0]?.probability).toBeGreaterThan(0.5);
  });

  it.each([22, 24])("run on Node %i", async (version) => {
    const printed = await run("npx", ["--yes", `node@${version}`, "-e", "console.log(process.version)"]);
    expect(printed).toMatch(new RegExp(`^v${version}\\.`));
    expect(await run("npx", ["--yes", `node@${version}`, command, "chat", "photo.png", "-p", "What do you see?"])).toMatch(/airplane.*hamburger.*sailboat/);
  });

  it("have types that tsc takes, and that refuse what is wrong", async () => {
    await copyFile(path.join(root, "test/packed-use.ts.txt"), path.join(project, "use.ts"));
    const options = { strict: true, exactOptionalPropertyTypes: true, module: "NodeNext", target: "ES2023", lib: ["ES2023", "ESNext.Disposable"], noEmit: true, types: ["node"], typeRoots: [path.join(root, "node_modules/@types")] };
    const errors = async (skipLibCheck: boolean): Promise<readonly string[]> => {
      await writeFile(path.join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...options, skipLibCheck }, files: ["use.ts"] }));
      const stdout = await run(path.join(root, "node_modules/.bin/tsc"), ["-p", "."]).catch((error: { stdout: string }) => error.stdout);
      return stdout.split("\n").filter((line) => line !== "");
    };
    expect(await errors(true)).toEqual([]);
    // Declarations of other people's packages are their own affair.
    expect((await errors(false)).filter((line) => !/^node_modules\/(?!sightline\/|@sightline\/)/.test(line))).toEqual([]);
    expect(await readFile(path.join(project, "use.ts"), "utf8")).toContain("@ts-expect-error");
  });
});

function readSource(directory: string): string {
  return readFileSync(path.join(directory, "src/index.ts"), "utf8");
}
