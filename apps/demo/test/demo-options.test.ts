import { describe, expect, it } from "vitest";
import { parseDemoOptions } from "../src/demo-options";
import { browserCommand } from "../src/open-browser";

describe("npm start's options", () => {
  it("are mini, its SigLIP and the browser when none are given", () => {
    expect(parseDemoOptions([])).toEqual({ models: [{ name: "mini", path: "mini" }], siglip: [{ name: "mini-siglip", path: "mini" }], port: undefined, open: true });
  });

  it("name models by their folder or as they are told", () => {
    expect(parseDemoOptions(["--model", "models/qwen", "--model", "small=/m/x", "--port", "0", "--no-open"])).toMatchObject({ models: [{ name: "qwen", path: "models/qwen" }, { name: "small", path: "/m/x" }], port: 0, open: false });
  });

  it("show the help", () => {
    expect(parseDemoOptions(["-h"])).toBeUndefined();
  });

  it.each([[["--port", "99999"], "--port: expected a number from 0 to 65535"], [["--port", ""], "--port: expected"], [["--model", "=x"], "--model: expected PATH or NAME=PATH"], [["--colour"], "--colour"]])("refuse %j", (words, message) => {
    expect(() => parseDemoOptions(words)).toThrow(message);
  });
});

describe("the browser", () => {
  it("is opened as each system does, and not at all where there is no display", () => {
    expect(browserCommand("http://x", "darwin", {})).toEqual(["open", "http://x"]);
    expect(browserCommand("http://x", "win32", {})).toEqual(["cmd", "/c", "start", "", "http://x"]);
    expect(browserCommand("http://x", "linux", { WAYLAND_DISPLAY: "wayland-0" })).toEqual(["xdg-open", "http://x"]);
    expect(browserCommand("http://x", "linux", {})).toBeUndefined();
  });
});
