import { readFile } from "node:fs/promises";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { RunningServer } from "@sightline/server";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isPublicAddress } from "../src/images/public-address.js";
import { RemoteImages, type Lookup } from "../src/images/remote-images.js";
import { aboutScene, answer, miniServer, post, question, scene } from "./mini-server.js";

/** A server on this machine that must be reached only where a test allows it; it says who came. */
let victim: Server;
let port: number;
const visits: string[] = [];
const routes: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  "/scene.png": (_, response) => response.end(scene),
  "/to-scene": (_, response) => response.writeHead(302, { location: "/scene.png" }).end(),
  "/to-this-machine": (_, response) => response.writeHead(302, { location: `http://localhost:${port}/scene.png` }).end(),
  "/to-metadata": (_, response) => response.writeHead(307, { location: "http://169.254.169.254/latest/meta-data/" }).end(),
  "/to-file": (_, response) => response.writeHead(301, { location: "file:///etc/passwd" }).end(),
  "/to-backslash": (_, response) => response.writeHead(302, { location: `//127.0.0.1:${port}\\@images.example/scene.png` }).end(),
  "/round": (_, response) => response.writeHead(302, { location: "/round" }).end(),
  "/large": (_, response) => {
    response.writeHead(200, { "content-type": "image/png" });
    const more = (): void => void (response.write(Buffer.alloc(65_536)) ? setImmediate(more) : response.once("drain", more));
    more();
  },
  "/announced-large": (_, response) => response.writeHead(200, { "content-length": "999999999" }).write("x"),
  "/silent": () => {},
  "/missing": (_, response) => response.writeHead(404).end("not here"),
  "/secret": (_, response) => response.end("the-secret-of-an-inner-service"),
};
beforeAll(async () => {
  victim = createServer((request, response) => {
    visits.push(`${request.headers.host}${request.url}`);
    (routes[request.url ?? ""] ?? routes["/missing"])?.(request, response);
  });
  await new Promise<void>((resolve) => victim.listen(0, "127.0.0.1", resolve));
  port = (victim.address() as AddressInfo).port;
});
beforeEach(() => void (visits.length = 0));
afterAll(() => {
  victim.closeAllConnections();
  victim.close();
});

const limits = { maxBytes: 2 ** 20, signal: new AbortController().signal };
const refusal = { name: "ApiError", status: 400, code: "image_url_refused" };

describe("images by URL", () => {
  it("are refused where no host is allowed, and nothing is connected to", async () => {
    await using remote = new RemoteImages();
    await expect(remote.fetch(`http://127.0.0.1:${port}/scene.png`, limits)).rejects.toMatchObject(refusal);
    await expect(remote.fetch("https://example.com/a.png", limits)).rejects.toMatchObject(refusal);
    expect(visits).toEqual([]);
  });

  // Every one of these is this machine or one beside it, spelled so that a filter of texts may miss it.
  it.each([
    "127.1", "127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.000.000.001", "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]", "169.254.169.254", "2852039166", "100.64.0.1", "100.100.100.200", "10.0.0.1", "172.16.0.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "255.255.255.255",
    "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]", "１２７.0.0.1", "①②⑦.0.0.1", "127。0。0。1",
  ])("never go to %s, even where its host is allowed", async (host) => {
    await using remote = new RemoteImages({ allowedHosts: [`${host}`, `${host}:${port}`] });
    await expect(remote.fetch(`https://${host}/scene.png`, limits)).rejects.toMatchObject(refusal);
    await expect(remote.fetch(`https://${host}:${port}/scene.png`, limits)).rejects.toMatchObject(refusal);
    expect(visits).toEqual([]);
  });

  it.each([
    ["another scheme", (p: number) => `http://127.0.0.1:${p}/scene.png`],
    ["a file", () => "file:///etc/passwd"],
    ["a backslash before an @", (p: number) => `https://127.0.0.1:${p}\\@images.example/scene.png`],
    ["a user name that looks like a host", () => "https://images.example@127.0.0.1/scene.png"],
    ["a password", () => "https://a:b@images.example/scene.png"],
    ["a tab inside the scheme", () => "ht\ttps://images.example/scene.png"],
    ["a line break", () => "https://images.example/\r\nhost: other"],
    ["a name that only begins like an allowed one", () => "https://images.example.attacker.net/a.png"],
    ["a name that only ends like an allowed one", () => "https://evilimages.example/a.png"],
    ["another port of an allowed host", () => "https://images.example:22/a.png"],
    ["no host", () => "https:///a.png"],
    ["something that is no URL", () => "https://"],
  ])("are refused with %s", async (_, url) => {
    await using remote = new RemoteImages({ allowedHosts: ["images.example"], lookup: to("127.0.0.1") });
    await expect(remote.fetch(url(port), limits)).rejects.toMatchObject(refusal);
    expect(visits).toEqual([]);
  });

  it("are not fetched from an allowed name that leads to this machine", async () => {
    for (const addresses of [["127.0.0.1"], ["::1"], ["93.184.216.34", "10.0.0.7"], ["::ffff:127.0.0.1"], ["169.254.169.254"], []]) {
      await using remote = new RemoteImages({ allowedHosts: [`images.example:${port}`], lookup: to(...addresses) });
      await expect(remote.fetch(`https://images.example:${port}/scene.png`, limits)).rejects.toMatchObject(refusal);
    }
    expect(visits).toEqual([]);
  });

  // macOS has no 127.0.0.2 unless somebody adds it.
  if (process.platform === "darwin") console.warn("SKIPPED: the test of rebinding needs 127.0.0.2 (sudo ifconfig lo0 alias 127.0.0.2)");
  it.skipIf(process.platform === "darwin")("go to the address that was checked, over a real connection: a name that changes its mind does not move it", async () => {
    const certificate = await readFile(new URL("certificate/certificate.pem", import.meta.url), "utf8");
    const seen: string[] = [];
    const serve = async (address: string): Promise<HttpsServer> => {
      const outside = createHttpsServer({ cert: certificate, key: await readFile(new URL("certificate/key.pem", import.meta.url), "utf8") }, (request, response) => {
        seen.push(`${address}${request.url}`);
        if (request.url === "/again") response.writeHead(302, { location: "/scene.png", connection: "close" }).end();
        else response.writeHead(200, { connection: "close" }).end(scene);
      });
      await new Promise<void>((resolve) => outside.listen(securePort, address, resolve));
      securePort = (outside.address() as AddressInfo).port;
      return outside;
    };
    let securePort = 0;
    // 127.0.0.2 stands for an address of the internet, 127.0.0.1 for what must not be reached.
    const servers = [await serve("127.0.0.2"), await serve("127.0.0.1")];
    try {
      const asked: string[] = [];
      const rebinding: Lookup = (hostname, _options, done) => {
        asked.push(hostname);
        done(null, [{ address: asked.length === 1 ? "127.0.0.2" : "127.0.0.1", family: 4 }]);
      };
      const options = { allowedHosts: [`images.example:${securePort}`], certificateAuthority: certificate, isPublic: (address: string) => address === "127.0.0.2" };
      await using remote = new RemoteImages({ ...options, lookup: rebinding });
      const url = `https://images.example:${securePort}/scene.png`;
      expect(Buffer.from(await remote.fetch(url, limits)).equals(scene)).toBe(true);
      expect([asked, seen]).toEqual([["images.example"], ["127.0.0.2/scene.png"]]);
      // A second connection asks again, is told of the other address, and is not made.
      await expect(remote.fetch(url, limits)).rejects.toMatchObject(refusal);
      expect([asked, seen]).toEqual([["images.example", "images.example"], ["127.0.0.2/scene.png"]]);
      // So does one that a redirect makes.
      asked.length = seen.length = 0;
      await using redirected = new RemoteImages({ ...options, lookup: rebinding });
      await expect(redirected.fetch(`https://images.example:${securePort}/again`, limits)).rejects.toMatchObject(refusal);
      expect([asked, seen]).toEqual([["images.example", "images.example"], ["127.0.0.2/again"]]);
    } finally {
      for (const one of servers) one.close();
    }
  });

  it("of an own server are fetched, over redirects within it", async () => {
    await using remote = new RemoteImages({ localHosts: [`127.0.0.1:${port}`] });
    expect(Buffer.from(await remote.fetch(`http://127.0.0.1:${port}/scene.png`, limits)).equals(scene)).toBe(true);
    expect(Buffer.from(await remote.fetch(`http://127.0.0.1:${port}/to-scene`, limits)).equals(scene)).toBe(true);
    expect(visits).toEqual(["/scene.png", "/to-scene", "/scene.png"].map((path) => `127.0.0.1:${port}${path}`));
  });

  it.each(["/to-this-machine", "/to-metadata", "/to-file", "/to-backslash", "/round", "/missing"])("do not follow %s", async (path) => {
    await using remote = new RemoteImages({ localHosts: [`127.0.0.1:${port}`], allowedHosts: ["images.example"] });
    await expect(remote.fetch(`http://127.0.0.1:${port}${path}`, limits)).rejects.toMatchObject(refusal);
    // The host that is allowed may be asked again, no other.
    expect(new Set(visits)).toEqual(new Set([`127.0.0.1:${port}${path}`]));
    expect(visits.length).toBeLessThanOrEqual(4);
  });

  it.each(["/large", "/announced-large"])("end at the limit of bytes: %s", async (path) => {
    await using remote = new RemoteImages({ localHosts: [`127.0.0.1:${port}`] });
    await expect(remote.fetch(`http://127.0.0.1:${port}${path}`, limits)).rejects.toMatchObject({ status: 413, code: "image_too_many_bytes" });
  });

  it("end when their time is up, and when the client goes away", async () => {
    await using remote = new RemoteImages({ localHosts: [`127.0.0.1:${port}`], seconds: 0.2 });
    const started = performance.now();
    await expect(remote.fetch(`http://127.0.0.1:${port}/silent`, limits)).rejects.toMatchObject(refusal);
    expect(performance.now() - started).toBeLessThan(2000);
    await using patient = new RemoteImages({ localHosts: [`127.0.0.1:${port}`] });
    await expect(patient.fetch(`http://127.0.0.1:${port}/silent`, { ...limits, signal: AbortSignal.timeout(100) })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it("are public only where no octet says otherwise", () => {
    const v4 = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
    fc.assert(
      fc.property(v4, ([a, b, c, d]) => {
        const dotted = `${a}.${b}.${c}.${d}`;
        const inner = a === 0 || a === 10 || a === 127 || a >= 224 || (a === 100 && b >= 64 && b < 128) || (a === 169 && b === 254) || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168);
        if (inner && isPublicAddress(dotted)) return false;
        return isPublicAddress(`::ffff:${dotted}`) === isPublicAddress(dotted);
      }),
      { numRuns: 3000 },
    );
    for (const address of ["1.1.1.1", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]) expect(isPublicAddress(address)).toBe(true);
    for (const text of ["", "localhost", "1.1.1.1.1", "example.com"]) expect(isPublicAddress(text)).toBe(false);
  });

  it.each(["https://example.com", "example.com/x", "a b", "*.", "user@example.com"])("cannot be allowed from %s", (host) => {
    expect(() => new RemoteImages({ allowedHosts: [host] })).toThrow(RangeError);
  });
});

describe("images by URL, asked of the server", () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await miniServer({ siglip: [], allowedImageHosts: ["images.example", "*.below.example"], localImageHosts: [`127.0.0.1:${port}`] });
  });
  afterAll(() => server.close());

  it("are seen from an own server, and refused from another name of it, without a word of what it said", async () => {
    const seen = await post(server, "/v1/chat/completions", { messages: [aboutScene(question, `http://127.0.0.1:${port}/scene.png`)] });
    expect(seen.json.choices[0].message.content).toBe(answer);
    visits.length = 0;
    for (const url of [`http://localhost:${port}/secret`, `http://2130706433:${port + 1}/secret`, `http://[::ffff:127.0.0.1]:${port}/secret`, `https://a.below.example\\@127.0.0.1:${port}/secret`]) {
      const { status, json } = await post(server, "/v1/chat/completions", { messages: [aboutScene(question, url)] });
      expect([status, json.error.code, json.error.param]).toEqual([400, "image_url_refused", "messages[0].content[0].image_url"]);
    }
    expect(visits).toEqual([]);
    const inner = await post(server, "/v1/chat/completions", { messages: [aboutScene(question, `http://127.0.0.1:${port}/secret`)] });
    expect([inner.status, inner.json.error.code]).toEqual([400, "image_unsupported_format"]);
    expect(JSON.stringify(inner.json)).not.toContain("the-secret");
  });
});

/** A resolver that gives these addresses for every name. */
function to(...addresses: string[]): Lookup {
  return (_hostname, _options, done) => done(null, addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })));
}
