import { readFile, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { byteText, downloadBytes, knownModels, modelMemory, type ModelManifest } from "../src/index.js";

const page = new URL("../../../docs/models.md", import.meta.url);
const marks = [/<!-- models: .* -->\n/, /<!-- end of models -->/] as const;

function table(manifests: readonly ModelManifest[], heading: string, belongs: (manifest: ModelManifest) => boolean): string {
  const rows = manifests.filter(belongs).sort((a, b) => modelMemory(a).totalBytes - modelMemory(b).totalBytes);
  return `\n### ${heading}\n| name | files | download | memory | tokens an image | licence |\n|---|---|---|---|---|---|\n${rows.map((manifest) => `| ${cellsOf(manifest).join(" | ")} |`).join("\n")}\n`;
}

function cellsOf(manifest: ModelManifest): readonly string[] {
  const { name, files, license, gated, tokensPerImage, defaultQuantisation, kind } = manifest;
  const repositories = [...new Map(files.map(({ repository, checked }) => [repository, checked])).entries()].map(([repository, checked]) => `[${repository}](https://huggingface.co/${repository})${checked ? "" : " (?)"}`);
  const decoders = files.filter(({ part }) => part === "decoder").map(({ quantisation, checked }) => `${quantisation === defaultQuantisation ? `**${quantisation}**` : quantisation}${checked ? "" : " (?)"}`);
  const { bytes, estimated } = downloadBytes(manifest);
  const { least, most } = tokensPerImage;
  const without = kind === "pair" && decoders.length === 0 ? "<br>no decoder: see its manifest" : "";
  return [
    `\`${name}\``,
    kind === "embedded" ? "come with the package" : `${repositories.join(", ")}${decoders.length > 0 ? `<br>${decoders.join(", ")}` : ""}${without}`,
    kind === "embedded" ? "" : `${estimated ? "~" : ""}${byteText(bytes)}`,
    `~${byteText(modelMemory(manifest).totalBytes)}`,
    least === most ? String(least) : `${least} to ${most}`,
    `[${license.id}](${license.url})${gated ? ", to be accepted first" : ""}`,
  ];
}

/** The licences that ask for more than an open-source one. */
function conditions(manifests: readonly ModelManifest[]): string {
  const asked = new Map(manifests.flatMap(({ license }) => (license.conditions === null ? [] : [[license.id, license.conditions] as const])));
  return `\n### Licences that ask for more\n${[...asked].map(([id, condition]) => `- \`${id}\`: ${condition}`).join("\n")}\n`;
}

it("docs/models.md shows the manifests as they are", async () => {
  const manifests = await knownModels();
  const isTower = ({ kind }: ModelManifest): boolean => kind === "tower";
  const isSiglip = ({ tower }: ModelManifest): boolean => tower.family.startsWith("siglip");
  const expected = [
    table(manifests, "For chats", (manifest) => !isTower(manifest)),
    conditions(manifests),
    table(manifests, "Towers for embeddings and tags", (manifest) => isTower(manifest) && isSiglip(manifest)),
    table(manifests, "Towers to compare with (`loadVisionTower`)", (manifest) => isTower(manifest) && !isSiglip(manifest)),
    "\n",
  ].join("");
  const text = await readFile(page, "utf8");
  const [from, to] = [(marks[0].exec(text)?.index ?? 0) + (marks[0].exec(text)?.[0].length ?? 0), marks[1].exec(text)?.index ?? 0];
  expect(to).toBeGreaterThanOrEqual(from);
  if (process.env["SIGHTLINE_WRITE_DOCS"]) await writeFile(page, text.slice(0, from) + expected + text.slice(to));
  else expect(text.slice(from, to), "write it anew: SIGHTLINE_WRITE_DOCS=1 npx vitest run packages/hub/test/models-page.test.ts").toBe(expected);
});
