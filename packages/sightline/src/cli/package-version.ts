import { createRequire } from "node:module";

/** The version in this package's own package.json. */
export function packageVersion(): string {
  return (createRequire(import.meta.url)("../../package.json") as { readonly version: string }).version;
}
