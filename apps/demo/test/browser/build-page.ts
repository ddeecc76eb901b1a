import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const application = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Builds the page as `npm start` does, into a folder of `apps/demo/dist`, and gives its path. A process of its own: Vitest's
 * NODE_ENV would make it another page.
 */
export async function buildPage(folder: string): Promise<string> {
  const directory = `${application}dist/${folder}`;
  await promisify(execFile)("npm", ["run", "-s", "page", "--", "--outDir", directory], { cwd: application, env: { ...process.env, NODE_ENV: "production" } });
  return directory;
}
