import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Writable } from "node:stream";
import { readApiKeys, startServer, type RunningServer } from "@sightline/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HostCheck } from "../src/http/host-check.js";
import { aboutScene, miniServer, post, sceneUrl } from "./mini-server.js";
import { rawRequest } from "./raw-request.js";

let folder: string;
let server: RunningServer;
const logged: string[] = [];
const log = { level: "debug" as const, destination: new Writable({ write: (chunk, _encoding, done) => (logged.push(String(chunk)), done()) }) };
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "http-"));
  const page = path.join(folder, "page");
  await mkdir(path.join(page, "assets"), { recursive: true });
  await mkdir(path.join(page, "inner"));
  await writeFile(path.join(page, "index.html"), "<!doctype html><title>Page</title>");
  await writeFile(path.join(page, "inner/index.html"), "inner");
  await writeFile(path.join(page, "assets/index-BxT4kQ9z.js"), "export {};");
  await writeFile(path.join(page, "assets/plain.js"), "export {};");
  await writeFile(path.join(page, ".secret"), "hidden");
  await writeFile(path.join(folder, "outside.txt"), "outside");
  await symlink(path.join(folder, "outside.txt"), path.join(page, "link.txt"));
  await symlink(folder, path.join(page, "up"));
  server = await miniServer({ staticDirectory: page, limits: { bodyBytes: 500_000, bodySeconds: 2 }, log });
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const json = { "content-type": "application/json" };

describe("every error", () => {
  const small = JSON.stringify({ image: "x", labels: ["a"] });
  it.each([
    [404, "not_found", "GET", "/v2/nothing", undefined, {}],
    [404, "not_found", "POST", "/", "{}", json],
    [404, "model_not_found", "GET", "/v1/models/a/b", undefined, {}],
    [405, "method_not_allowed", "GET", "/v1/chat/completions", undefined, {}],
    [405, "method_not_allowed", "DELETE", "/v1/models", undefined, {}],
    [405, "method_not_allowed", "OPTIONS", "/v1/tag", undefined, { origin: "https://a.example", "access-control-request-method": "POST" }],
    [415, "unsupported_media_type", "POST", "/v1/tag", small, {}],
    [415, "unsupported_media_type", "POST", "/v1/tag", small, { "content-type": "text/plain" }],
    [415, "unsupported_content_encoding", "POST", "/v1/tag", small, { ...json, "content-encoding": "gzip" }],
    [400, "invalid_json", "POST", "/v1/tag", "{", json],
    [400, "invalid_json", "POST", "/v1/tag", "", json],
    [400, "invalid_json", "POST", "/v1/tag", Buffer.from([0x22, 0xff, 0x22]), json],
    [413, "body_too_large", "POST", "/v1/tag", "x".repeat(500_001), json],
    [400, "invalid_value", "POST", "/v1/tag", "[]", json],
    [400, "invalid_value", "POST", "/v1/tag", '{"__proto__":{"image":"x"},"constructor":1}', json],
    [501, "pull_not_supported", "POST", "/v1/models/pull", '{"model":"other"}', json],
  ])("%i %s has OpenAI's shape", async (status, code, method, where, body, headers) => {
    const response = await fetch(server.url + where, { method, headers: headers as Record<string, string>, ...(body === undefined ? {} : { body }) });
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    expect(await response.json()).toEqual({ error: { message: expect.any(String), type: expect.any(String), param: status === 400 && code === "invalid_value" ? (body === "[]" ? null : "image") : code === "model_not_found" ? "model" : null, code } });
    if (status === 405) expect(response.headers.get("allow")).toMatch(/GET|POST/);
  });

  it("413 comes while a body without a length is read, and ends the connection", async () => {
    const chunk = `fffff\r\n${"x".repeat(0xfffff)}\r\n`;
    const answer = await rawRequest(server, `POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer.toLowerCase()).toContain("connection: close");
  });

  it("408 comes for a body that does not", async () => {
    const answer = await rawRequest(server, "POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('"code":"body_timeout"');
  });

  it.each(["GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "GET http://[bad HTTP/1.1\r\nHost: localhost\r\n\r\n", "NONSENSE\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"])("leaves the server answering: %j", async (text) => {
    expect(await rawRequest(server, text)).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });
});

describe("a request's id", () => {
  it("is echoed where it is one, and given where not", async () => {
    const id = async (given?: string) => (await fetch(`${server.url}/health`, { headers: given === undefined ? {} : { "x-request-id": given } })).headers.get("x-request-id");
    expect(await id("my-id.1:2_3")).toBe("my-id.1:2_3");
    for (const given of [undefined, "a b", "x".repeat(129), '{"a":1}']) expect(await id(given)).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("the log", () => {
  it("has a line for each request and never what it held", async () => {
    logged.length = 0;
    const secrets = ["tell-me-nothing-of-this", sceneUrl.slice(100, 160), "sk-secret-key", "secret-in-a-query", "hamburger-secret"];
    const headers = { authorization: "Bearer sk-secret-key", "x-request-id": "traced-1" };
    await post(server, "/v1/chat/completions?key=secret-in-a-query", { messages: [aboutScene("tell-me-nothing-of-this")] }, { headers });
    await post(server, "/v1/chat/completions", { messages: [{ role: "tell-me-nothing-of-this" }] }, { headers });
    await post(server, "/v1/tag", { image: sceneUrl, labels: ["hamburger-secret"] }, { headers });
    await post(server, "/v1/tag", { image: `${sceneUrl.slice(0, 200)}`, labels: ["hamburger-secret"] }, { headers });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const text = logged.join("");
    for (const secret of secrets) expect(text).not.toContain(secret);
    const lines = logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "request");
    expect(lines.map(({ status, endpoint }) => [status, endpoint])).toEqual([[200, "/chat/completions"], [400, "/chat/completions"], [200, "/tag"], [400, "/tag"]]);
    expect(lines[0]).toMatchObject({ request: "traced-1", model: "mini", images: 1, promptTokens: expect.any(Number), completionTokens: expect.any(Number), ms: expect.any(Number) });
  });
});

describe("the Host header of a server on a loopback address", () => {
  const ask = (host: string) => rawRequest(server, `GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  it.each(["localhost", "localhost:8080", "127.0.0.1", "127.0.0.2:9", "[::1]:1", "LOCALHOST", "a.localhost", "localhost."])("may be %s", async (host) => expect(await ask(host)).toMatch(/^HTTP\/1\.1 200 /));
  it.each(["attacker.example", "attacker.example:8080", "localhost.attacker.example", "127.0.0.1.attacker.example", "192.168.0.1", "[::2]", "notlocalhost"])("may not be %s", async (host) => {
    const answer = await ask(host);
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).toContain("host_not_allowed");
  });

  it("may be what was allowed, and anything where the server is open to a network", () => {
    expect(() => new HostCheck("127.0.0.1", ["box.example"]).check("Box.example:8080")).not.toThrow();
    expect(() => new HostCheck("127.0.0.1", []).check(undefined)).toThrow(/host/);
    expect(() => new HostCheck("0.0.0.0", []).check("anything.example")).not.toThrow();
  });
});

describe("keys", () => {
  it("are read from a file, one a line", async () => {
    const file = path.join(folder, "keys.txt");
    await writeFile(file, "\ufeff# of the lab\r\nfirst-key\r\n\n  second-key  \n#third-key\n");
    expect(await readApiKeys(file)).toEqual(["first-key", "second-key"]);
    await writeFile(file, "# none\n");
    await expect(readApiKeys(file)).rejects.toThrow(/expected at least one key/);
    await expect(readApiKeys(path.join(folder, "missing"))).rejects.toThrow(/cannot be read/);
  });

  it("are asked for by all but the health and the page", async () => {
    await using locked = await miniServer({ apiKeys: ["first-key", "second-key"], staticDirectory: path.join(folder, "page") });
    const status = async (where: string, authorization?: string, init: RequestInit = {}) => (await fetch(locked.url + where, { ...init, headers: { ...json, ...(authorization === undefined ? {} : { authorization }) } })).status;
    for (const where of ["/v1/models", "/models", "/v1/models/mini", "/metrics", "/openapi.json"]) {
      for (const wrong of [undefined, "", "Bearer", "Bearer ", "Bearer first-ke", "Bearer first-keyy", "Basic first-key", "first-key", "Bearer first-key second-key"]) expect([where, wrong, await status(where, wrong)]).toEqual([where, wrong, 401]);
      for (const right of ["Bearer first-key", "bearer second-key"]) expect(await status(where, right)).toBe(200);
    }
    expect(await status("/v1/chat/completions", undefined, { method: "POST", body: "{}" })).toBe(401);
    expect(await status("/v1/chat/completions", "Bearer first-key", { method: "POST", body: "{}" })).toBe(400);
    for (const where of ["/health", "/v1/health", "/"]) expect(await status(where)).toBe(200);
  });

  it("are not asked for before a body is read", async () => {
    await using locked = await miniServer({ apiKeys: ["k"], siglip: [], limits: { bodyBytes: 10 } });
    const { status, json: body } = await post(locked, "/v1/chat/completions", { messages: "x".repeat(1000) });
    expect([status, body.error.code]).toEqual([401, "invalid_api_key"]);
  });
});

describe("pages of other origins", () => {
  it("may use the server only where they are named", async () => {
    const preflight = (url: string, origin: string) => fetch(`${url}/v1/chat/completions`, { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type,authorization" } });
    expect((await preflight(server.url, "https://a.example")).headers.get("access-control-allow-origin")).toBeNull();
    expect((await fetch(`${server.url}/health`, { headers: { origin: "https://a.example" } })).headers.get("access-control-allow-origin")).toBeNull();
    await using open = await miniServer({ siglip: [], corsOrigins: ["https://a.example"] });
    const allowed = await preflight(open.url, "https://a.example");
    expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([204, "https://a.example"]);
    expect(allowed.headers.get("access-control-allow-headers")).toMatch(/authorization/i);
    for (const origin of ["https://b.example", "https://a.example.b.example", "null", "http://a.example"]) expect((await preflight(open.url, origin)).headers.get("access-control-allow-origin")).toBeNull();
    const failed = await fetch(`${open.url}/v1/nothing`, { headers: { origin: "https://a.example" } });
    expect([failed.status, failed.headers.get("access-control-allow-origin")]).toEqual([404, "https://a.example"]);
  });
});

describe("the page", () => {
  it("is served with a policy that keeps it to itself", async () => {
    const response = await fetch(`${server.url}/`);
    expect([response.status, await response.text()]).toEqual([200, "<!doctype html><title>Page</title>"]);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-cache",
    });
    expect(await (await fetch(`${server.url}/inner/`)).text()).toBe("inner");
  });

  it("keeps what has a hash in its name for ever, and asks again for the rest", async () => {
    const hashed = await fetch(`${server.url}/assets/index-BxT4kQ9z.js`);
    expect([hashed.headers.get("content-type"), hashed.headers.get("cache-control")]).toEqual(["text/javascript; charset=utf-8", "public, max-age=31536000, immutable"]);
    const plain = await fetch(`${server.url}/assets/plain.js`);
    expect(plain.headers.get("cache-control")).toBe("no-cache");
    expect((await fetch(`${server.url}/assets/plain.js`, { headers: { "if-none-match": plain.headers.get("etag") as string } })).status).toBe(304);
    expect((await fetch(`${server.url}/`, { method: "HEAD" })).status).toBe(200);
  });

  it.each([
    "/../outside.txt", "/..%2foutside.txt", "/%2e%2e/outside.txt", "/assets/../../outside.txt", "/assets/..%2f..%2foutside.txt", "/..\\outside.txt", "/%5c..%5coutside.txt", "//outside.txt", "/link.txt", "/up/outside.txt", "/up/page/index.html",
    "/.secret", "/assets", "/assets/", "/index.html%00.js", "/%00", "/index.html/", "/etc/passwd", "/file:///etc/passwd", "/constructor", "/__proto__", "/%ff",
  ])("has nothing at %s", async (where) => {
    const answer = await rawRequest(server, `GET ${where} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 40[04] /);
    expect(answer).not.toMatch(/outside\n?$|hidden/);
  });
});

describe("options that cannot be used", () => {
  const mini = { name: "mini", path: "mini" };
  it.each([
    ["no model", {}, /expected at least one model/],
    ["a name that is given twice", { models: [mini], siglip: [mini] }, /"mini" is given twice/],
    ["a name with spaces", { models: [{ ...mini, name: "a b" }] }, /models\.0\.name/],
    ["a model that is not there", { models: [{ name: "x", path: "/nowhere" }] }, /neither "mini" nor a directory/],
    ["a SigLIP that is not there", { siglip: [{ name: "x", path: "/nowhere" }] }, /nowhere/],
    ["a port out of range", { models: [mini], port: 70_000 }, /port/],
    ["a page that is not built", { models: [mini], staticDirectory: "/nowhere" }, /build the page first/],
    ["a media root that is not there", { models: [mini], mediaRoot: "/nowhere" }, /mediaRoot/],
    ["a limit that there is not", { models: [mini], limits: { megabytes: 1 } as object }, /limits/],
    ["a limit below one", { models: [mini], limits: { images: 0 } }, /limits\.images/],
    ["an option that there is not", { models: [mini], ports: 1 } as object, /ports/],
    ["a host that is a URL", { models: [mini], allowedImageHosts: ["https://a.example"] }, /expected a host/],
    ["keys that are none", { models: [mini], apiKeys: [] }, /apiKeys/],
  ])("say so: %s", async (_, options, message) => {
    await expect(startServer(options)).rejects.toThrow(message);
  });

  it("say when the port is taken", async () => {
    await expect(startServer({ port: Number(new URL(server.url).port), models: [mini] })).rejects.toThrow(/cannot listen at 127\.0\.0\.1, port \d+ \(EADDRINUSE\)/);
  });
});
