import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { publishedPackages, root } from "../tools/published-packages.mjs";

// What publint and arethetypeswrong say of them: npm run lint:packages.
describe("every package that is published", () => {
  it.each(publishedPackages().map((entry) => [entry.name, entry] as const))("%s has a README with an example, the licence, and says what it exports", (_, { directory, manifest, hasCode }) => {
    const read = (name: string): string => (existsSync(path.join(directory, name)) ? readFileSync(path.join(directory, name), "utf8") : "");
    const readme = read("README.md");
    expect(readme, "README.md").toMatch(new RegExp(`^# ${manifest.name}$`, "m"));
    if (hasCode) expect(readme, "an example in a js, ts or sh block of README.md").toMatch(/^```(js|ts|sh)$/m);
    expect(read("LICENSE") === readFileSync(path.join(root, "LICENSE"), "utf8"), "LICENSE, a copy of the repository's").toBe(true);
    expect(manifest).toMatchObject({ license: "Apache-2.0", version: expect.any(String), description: expect.any(String), files: expect.any(Array), exports: expect.any(Object), publishConfig: { access: "public" } });
    if (!hasCode) return;
    expect(manifest).toMatchObject({ type: "module", engines: { node: ">=20.19" }, exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } } });
    expect(manifest.files).toContain("!dist/.tsbuildinfo");
  });

  it("is of one version, and asks for that one of the others", () => {
    const packages = publishedPackages();
    const names = new Set(packages.map(({ name }) => name));
    const [{ manifest: first }] = packages as [(typeof packages)[number]];
    for (const { name, manifest } of packages) {
      expect(manifest.version, name).toBe(first.version);
      for (const [dependency, range] of Object.entries(manifest.dependencies ?? {})) if (names.has(dependency)) expect(range, `${name}: ${dependency}`).toBe(first.version);
    }
  });
});
