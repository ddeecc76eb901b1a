import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pullModel } from "../src/index.js";
import { gitHash, refuse, sha256 } from "./fake-hub.js";
import { bytesOf, pulling } from "./pulling.js";

const test = pulling();
const weights = randomBytes(20_000);

beforeEach(() => {
  test.hub.commit("someone/open", { "model.safetensors": weights, "config.json": "{}" });
  test.hub.commit("someone/gated", { "model.safetensors": weights, "config.json": "{}" }, { gated: true });
  test.hub.commit("someone/private", { "model.safetensors": weights, "config.json": "{}" }, { private: true });
  test.hub.tokens.add("hf_accepted");
});

const withToken = (token: string): { readonly environment: Record<string, string> } => ({ environment: { HF_TOKEN: token, HF_HOME: test.cache } });

describe("a token", () => {
  it("opens what is gated or private, from HF_TOKEN or the token's file", async () => {
    expect(await bytesOf(await test.pull("someone/gated", withToken("hf_accepted")), "model.safetensors")).toEqual(weights);
    expect((await test.pull("someone/gated:*.json", { token: "hf_accepted" })).files).toHaveLength(1);
    const home = path.join(test.cache, "home");
    await mkdir(home);
    await writeFile(path.join(home, "token"), "hf_right\n");
    expect(await bytesOf(await test.pull("someone/private", { environment: { HF_HOME: home } }), "model.safetensors")).toEqual(weights);
  });

  it("goes to the hub with every request, and to no other host", async () => {
    await test.pull("someone/gated", withToken("hf_accepted"));
    const of = (server: string): readonly (string | undefined)[] => test.hub.seen.filter((request) => request.server === server).map(({ authorization }) => authorization);
    expect(of("hub").length).toBeGreaterThan(3);
    expect(new Set(of("hub"))).toEqual(new Set(["Bearer hf_accepted"]));
    expect(of("cdn").length).toBeGreaterThan(0);
    expect(new Set(of("cdn"))).toEqual(new Set([undefined]));
  });

  it("does not follow a redirect of the API to another host either", async () => {
    test.hub.misbehave = ({ server, path: at }, response) => {
      if (server === "cdn" && at.includes("/revision/")) {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ sha: test.hub.repositories.get("someone/open")?.commits[0]?.id }));
        return true;
      }
      if (server !== "hub" || !at.includes("/revision/")) return false;
      response.writeHead(302, { location: `${test.hub.cdnUrl}${at}` });
      response.end();
      return true;
    };
    await test.pull("someone/open", withToken("hf_right"));
    expect(test.hub.seen.filter(({ server, path: at }) => server === "cdn" && at.includes("/revision/"))).toMatchObject([{ authorization: undefined }]);
  });

  it("does not follow a listing to its next page on another host", async () => {
    let pages = 0;
    test.hub.misbehave = ({ path: at }, response) => {
      if (!at.includes("/tree/")) return false;
      const file = { type: "file", size: weights.length, oid: "a".repeat(40), lfs: { oid: sha256(weights), size: weights.length, pointerSize: 1 } };
      const page = ++pages === 1 ? [{ type: "file", path: "config.json", size: 2, oid: gitHash(Buffer.from("{}")) }] : [{ ...file, path: "model.safetensors" }];
      response.writeHead(200, { "content-type": "application/json", ...(pages === 1 ? { link: `<${test.hub.cdnUrl}${at}?cursor=2>; rel="next"` } : {}) });
      response.end(JSON.stringify(page));
      return true;
    };
    expect((await test.pull("someone/open", withToken("hf_right"))).files.map(({ path: at }) => at)).toEqual(["config.json", "model.safetensors"]);
    expect(test.hub.seen.filter(({ path: at }) => at.includes("/tree/")).map(({ server, authorization }) => [server, authorization])).toEqual([
      ["hub", "Bearer hf_right"],
      ["cdn", undefined],
    ]);
  });

  it("is in no event and no error", async () => {
    const secret = "hf_verysecret";
    const told: string[] = [];
    const onProgress = (event: unknown): void => void told.push(JSON.stringify(event));
    const failures: unknown[] = [];
    for (const [repository, status] of [["someone/open", 401], ["someone/gated", 403], ["someone/open", 500], ["someone/open", 404]] as const) {
      test.hub.misbehave = (_, response) => {
        refuse(response, status, undefined, "no");
        return true;
      };
      failures.push(await test.pull(repository, { ...withToken(secret), onProgress, attempts: 2 }).catch((error: unknown) => error));
    }
    failures.push(await test.pull("someone/open", { ...withToken("hf_bad\u00e9secret"), onProgress }).catch((error: unknown) => error));
    expect(failures).toHaveLength(5);
    for (let error of failures) {
      expect(error).toBeInstanceOf(Error);
      for (; error instanceof Error; error = error.cause) told.push(error.message, error.stack ?? "", JSON.stringify(error));
    }
    expect(told.join("\n")).not.toContain("secret");
  });

  it("that the hub does not take is named by where it came from", async () => {
    await expect(test.pull("someone/open", withToken("hf_wrong"))).rejects.toThrow(/^127\.0\.0\.1:\d+ does not take the token \(HF_TOKEN\); get a token with read access at https:\/\/huggingface\.co\/settings\/tokens and put it into HF_TOKEN, or unset it for public models$/);
  });

  it("that is missing or not enough for a gated model says what to accept where", async () => {
    await expect(test.pull("someone/gated")).rejects.toThrow(/^someone\/gated asks for its terms to be accepted: accept them at http:\/\/127\.0\.0\.1:\d+\/someone\/gated, then get a token/);
    await expect(test.pull("someone/gated", withToken("hf_right"))).rejects.toThrow(/^someone\/gated asks for its terms to be accepted, and the account of the token \(HF_TOKEN\) has not, or is still waiting: accept them at /);
    expect((await test.tree("someone/gated")).filter((file) => file.startsWith("snapshots") || file.startsWith("refs"))).toEqual([]);
  });

  it("may be needed for what is not there: the hub does not tell them apart", async () => {
    await expect(test.pull("someone/private")).rejects.toThrow("someone/private is not there, or is private; check the name, or get a token");
    await expect(test.pull("someone/nothing", withToken("hf_right"))).rejects.toThrow("someone/nothing is not there, or the token (HF_TOKEN) may not see it; check the name at ");
  });

  it("is left at home when HF_HUB_DISABLE_IMPLICIT_TOKEN says so", async () => {
    await test.pull("someone/open", { environment: { HF_TOKEN: "hf_wrong", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" } });
    expect(new Set(test.hub.seen.map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
  });
});

describe("the endpoint", () => {
  it("comes from HF_ENDPOINT, slashes at its end or not", async () => {
    expect((await pullModel("someone/open", { cacheDirectory: test.cache, environment: { HF_ENDPOINT: `${test.hub.url}//` } })).files).toHaveLength(2);
  });

  it("that is no hub, or no address, is one clear line", async () => {
    await expect(test.pull("someone/open", { endpoint: "mirror" })).rejects.toThrow('HF_ENDPOINT: expected a URL like https://huggingface.co, got "mirror"');
    await expect(test.pull("someone/open", { endpoint: "https://user:secret@mirror" })).rejects.toThrow(/^HF_ENDPOINT: expected a URL without a user and a password; a token goes into HF_TOKEN$/);
    test.hub.misbehave = (_, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      response.end("<html>Welcome</html>");
      return true;
    };
    await expect(test.pull("someone/open")).rejects.toThrow(/expected the hub's JSON, got something else; if HF_ENDPOINT is set, check that it is a hub$/);
  });

  it("that nobody answers at is one clear line, with what can be had without", async () => {
    await expect(test.pull("someone/open", { endpoint: "http://127.0.0.1:9" })).rejects.toThrow(/^127\.0\.0\.1:9 cannot be reached \(connection refused\); check the network, HF_ENDPOINT and HTTPS_PROXY$/);
    // No more than three tries: somebody is waiting.
    expect(test.events.filter(({ type }) => type === "retry")).toHaveLength(2);
    await expect(test.pull("someone/open", { endpoint: "http://no-such-host.invalid", attempts: 1 })).rejects.toThrow(/^no-such-host\.invalid cannot be reached \(no (such host|network)/);
    await test.pull("someone/open");
    await expect(test.pull("someone/open", { endpoint: "http://127.0.0.1:9" })).rejects.toThrow(/HTTPS_PROXY; commit \w{12} is here from an earlier pull: sightline pull someone\/open --offline takes that$/);
  });

  it("may redirect a renamed repository, and not in circles", async () => {
    test.hub.misbehave = ({ path: at }, response) => {
      if (!at.includes("someone/old")) return false;
      response.writeHead(307, { location: at.replace("someone/old", "someone/open") });
      response.end();
      return true;
    };
    expect(await bytesOf(await test.pull("someone/old"), "model.safetensors")).toEqual(weights);
    test.hub.misbehave = ({ path: at }, response) => {
      response.writeHead(302, { location: at });
      response.end();
      return true;
    };
    await expect(test.pull("someone/open")).rejects.toThrow("redirects more than 8 times");
  });
});

describe("a proxy", () => {
  let proxy: Server;
  const seen: string[] = [];
  beforeEach(async () => {
    seen.length = 0;
    proxy = createServer((incoming, response) => {
      seen.push(incoming.url ?? "");
      const onward = request(incoming.url ?? "", { method: incoming.method, headers: incoming.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      incoming.pipe(onward);
    });
    proxy.on("connect", (incoming, socket) => {
      seen.push(`CONNECT ${incoming.url}`);
      const [host, port] = (incoming.url ?? "").split(":");
      const onward = connect(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      });
      for (const end of [onward, socket]) end.on("error", () => {});
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  });
  afterEach(async () => {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });

  it("is used where the environment names one, and not for hosts in NO_PROXY", async () => {
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    expect(await bytesOf(await test.pull("someone/open", { environment: { HTTP_PROXY: url } }), "model.safetensors")).toEqual(weights);
    expect(seen.length).toBeGreaterThan(2);
    seen.length = 0;
    await test.pull("someone/open:*.json", { environment: { http_proxy: url, NO_PROXY: "127.0.0.1" }, cacheDirectory: path.join(test.cache, "other") });
    expect(seen).toEqual([]);
    await expect(test.pull("someone/open", { environment: { HTTPS_PROXY: "me:secret@proxy" } })).rejects.toThrow(/^HTTPS_PROXY: expected a proxy's URL, like http:\/\/proxy:8080$/);
  });
});
