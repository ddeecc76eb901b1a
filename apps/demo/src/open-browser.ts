import { spawn } from "node:child_process";

/** How each system opens an address; undefined where nobody would see it. */
export function browserCommand(url: string, platform: NodeJS.Platform, environment: NodeJS.ProcessEnv): readonly [command: string, ...args: string[]] | undefined {
  if (platform === "darwin") return ["open", url];
  if (platform === "win32") return ["cmd", "/c", "start", "", url];
  return environment["DISPLAY"] || environment["WAYLAND_DISPLAY"] ? ["xdg-open", url] : undefined;
}

/** Opens the address in the person's browser, where there is a display. That it could not be opened is no failure: it is printed too. */
export function openBrowser(url: string): void {
  const command = browserCommand(url, process.platform, process.env);
  if (!command) return;
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: "ignore", detached: true });
  child.on("error", () => {});
  child.unref();
}
