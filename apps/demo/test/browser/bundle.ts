import { fileURLToPath } from "node:url";
import { build } from "vite";

/** Modules of the page as one script that puts what they export on `window.subject`, to be tried in a browser by themselves. */
export async function bundle(entry: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "warn",
    build: { write: false, minify: false, lib: { entry: fileURLToPath(new URL(entry, import.meta.url)), formats: ["iife"], name: "subject" } },
  });
  const [{ output }] = built as unknown as [{ readonly output: readonly { readonly code?: string }[] }];
  const code = output[0]?.code;
  if (code === undefined) throw new Error(`bundle: ${entry} gave no script`);
  return code;
}
