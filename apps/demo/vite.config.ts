import { preact } from "@preact/preset-vite";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin, type UserConfig } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Nothing is shown before the script has put the chosen theme on the page: Vite leaves the attribute out of what it builds. */
const renderBlockingScript: Plugin = {
  name: "render-blocking-script",
  transformIndexHtml: { order: "post", handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"') },
};

const config: UserConfig = defineConfig({
  root: here("page"),
  base: "./",
  plugins: [preact({ devToolsEnabled: false }), renderBlockingScript],
  build: {
    outDir: here("dist/page"),
    emptyOutDir: true,
    target: "es2022",
    // Pictures stay files: inlined they would be part of the script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // `npm run dev -w @sightline/demo` beside `npm start`: the page reloads as it is edited.
  server: { proxy: { "/v1": "http://127.0.0.1:8080" }, fs: { allow: [here("../..")] } },
});

export default config;
