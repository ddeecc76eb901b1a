import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../../../tools/published-packages.mjs";

const execute = promisify(execFile);
const examples = path.join(root, "examples");
const picture = (name: string): string => path.join(examples, name);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "examples-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of examples/ in the repository's folder, as its comment says; it must end well. */
function run(program: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Printed> {
  tried.add(program);
  return execute(process.execPath, [path.join("examples", program), ...args], { cwd: root, env: { ...process.env, ...env }, timeout: 100_000 });
}

const tried = new Set<string>();

/** A folder of photos: two scenes, and a file that is no picture. */
async function photos(): Promise<string> {
  const directory = await mkdtemp(path.join(folder, "photos-"));
  for (const name of ["crabs.png", "penguins.png"]) await copyFile(picture(name), path.join(directory, name));
  await writeFile(path.join(directory, "broken.jpg"), "this is no picture");
  return directory;
}

describe("the programs of examples/, each run on mini", () => {
  it("caption-folder writes a line for each picture, and goes on after a damaged one", async () => {
    const { stdout, stderr } = await run("caption-folder.mjs", [await photos()]);
    const lines = stdout.trim().split("\n").map((line) => JSON.parse(line) as { path: string; caption: string });
    expect(Object.fromEntries(lines.map(({ path: file, caption }) => [path.basename(file), caption]))).toEqual({ "crabs.png": "I see two crabs.", "penguins.png": "I see three penguins." });
    expect(stderr).toMatch(/broken\.jpg/);
  });

  it("find-photos ranks the picture first that the words fit", async () => {
    for (const [words, first] of [["a picture of penguins", "penguins.png"], ["a picture of crabs", "crabs.png"]] as const) {
      const { stdout } = await run("find-photos.mjs", [examples, words]);
      expect(stdout.split("\n")[0]).toMatch(new RegExp(`^0\\.\\d+ +examples/${first}$`));
    }
  });

  it("moderate-uploads refuses by threshold, and what is no picture", async () => {
    const broken = path.join(await photos(), "broken.jpg");
    const { stdout } = await run("moderate-uploads.mjs", [picture("scene.png"), picture("crabs.png"), picture("penguins.png"), broken]);
    expect(stdout.trim().split("\n").map((line) => line.split("\t")[0])).toEqual(["refuse", "refuse", "allow", "refuse"]);
    expect(stdout).toMatch(/scene\.png\thamburger \d/);
  });

  it("ask-page answers several questions, and encodes the page for the first one only", async () => {
    const { stdout } = await run("ask-page.mjs", [picture("scene.png"), "What do you see?", "How many objects are there?"]);
    expect(stdout).toMatch(/> What do you see\?\nI see an airplane, a hamburger and a sailboat\.\n.*64 tokens of the page/);
    expect(stdout).toMatch(/> How many objects are there\?\nThree\./);
  });

  it("dedupe-photos groups a picture with its smaller copy in another format", async () => {
    const directory = await photos();
    await sharp(picture("crabs.png")).resize(200).jpeg({ quality: 80 }).toFile(path.join(directory, "crabs-small.jpg"));
    const { stdout, stderr } = await run("dedupe-photos.mjs", [directory]);
    expect(stdout.trim().split("\n").map((line) => [line.split("\t")[0], path.basename(line)])).toEqual(expect.arrayContaining([["1", "crabs.png"], ["1", "crabs-small.jpg"]]));
    expect(stdout).not.toMatch(/penguins/);
    expect(stderr).toMatch(/3 pictures, 1 groups/);
  });

  it("none-of-the-above says so, and names what is true where something is", async () => {
    expect((await run("none-of-the-above.mjs")).stdout).toMatch(/none of the above\n$/);
    expect((await run("none-of-the-above.mjs", [picture("penguins.png"), "cat", "penguin"])).stdout).toMatch(/it is: penguin\n$/);
  });

  it("finetune-products teaches names that the model did not know", async () => {
    const { stdout } = await run("finetune-products.mjs", [await productTable(), path.join(folder, "run")]);
    const [before, after] = stdout.split("\n").filter((line) => line.includes("%")) as [string, string];
    const likeliest = (line: string): readonly [string, number] => [/: (.*?) [\d.]+ %/.exec(line)?.[1] as string, Number(/ ([\d.]+) %/.exec(line)?.[1])];
    expect(likeliest(before)[1]).toBeLessThan(10);
    expect(likeliest(after)[0]).toBe("a Breakfast Box No. 7");
    expect(likeliest(after)[1]).toBeGreaterThan(80);
  });

  it("worker-thread answers while the main thread stays free", async () => {
    const { stdout } = await run("worker-thread.mjs", [picture("scene.png")]);
    expect(stdout).toMatch(/airplane.*hamburger.*sailboat\.\nthe main thread was never more than \d+ ms late\n$/);
  });

  // No published CLIP weights are in this repository: these are small and seeded, and say nothing that is true.
  it("compare-clip-with-siglip sets shares beside probabilities, with a seeded CLIP", async () => {
    const clip = path.join(root, "packages/vision-tower/test/goldens/clip-openai");
    const { stdout } = await run("compare-clip-with-siglip.mjs", [clip, picture("penguins.png"), "cat", "bus"]);
    const [shares, probabilities] = [0, 1].map((column) => Number([...(/^sum .*$/m.exec(stdout)?.[0] ?? "").matchAll(/([\d.]+) %/g)][column]?.[1]));
    expect(shares).toBeCloseTo(100, 1);
    // Neither is there, and SigLIP may say so.
    expect(probabilities).toBeLessThan(10);
    await expect(run("compare-clip-with-siglip.mjs")).rejects.toMatchObject({ code: 2 });
  });
});

async function productTable(): Promise<string> {
  const file = path.join(folder, "products.csv");
  const products = { "duck-eggplant-package.png": "a Breakfast Box No. 7", "crabs.png": "a Seaside Plate", "penguins.png": "an Ice Bar", "sunflower-and-deer.png": "a Meadow Tea" };
  await writeFile(file, ["image,caption", ...Object.entries(products).map(([name, caption]) => `${picture(name)},${caption}`)].join("\n"));
  return file;
}

const hasNginx = spawnSync("nginx", ["-v"]).status === 0;
if (!hasNginx && process.env["SIGHTLINE_NGINX_TESTS"] !== "required") process.stderr.write("SKIPPED, for want of nginx (apt-get install nginx-light): examples/nginx.conf and ask-behind-nginx\n");

describe.skipIf(!hasNginx && process.env["SIGHTLINE_NGINX_TESTS"] !== "required")("examples/nginx.conf, run by nginx before `sightline serve`", () => {
  const key = "a-key-of-this-test";
  const children: ChildProcess[] = [];
  let base: string;
  let port: number;
  beforeAll(async () => {
    const keys = path.join(folder, "keys.txt");
    await writeFile(keys, `${key}\n`);
    const server = started(process.execPath, [path.join(root, "packages/sightline/bin/sightline.js"), "serve", "--port", "0", "--api-keys", keys, "--allow-host", "images.example.com", "--log", "error"]);
    const serverPort = /listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(await firstLine(server))?.[1] as string;
    port = await freePort();
    base = `http://127.0.0.1:${port}`;
    // nginx's workers belong to another user.
    const prefix = path.join(folder, "nginx");
    await mkdir(prefix);
    await Promise.all([chmod(folder, 0o755), chmod(prefix, 0o755)]);
    const config = (await readFile(picture("nginx.conf"), "utf8")).replace("server 127.0.0.1:8080;", `server 127.0.0.1:${serverPort};`).replace("listen 127.0.0.1:8443;", `listen 127.0.0.1:${port};`);
    if (!config.includes(`server 127.0.0.1:${serverPort};`)) throw new Error("example-programs.test: nginx.conf names another server than 127.0.0.1:8080");
    await writeFile(path.join(prefix, "nginx.conf"), config);
    started("nginx", ["-c", path.join(prefix, "nginx.conf"), "-p", prefix, "-g", "daemon off;"]);
    await until(async () => (await fetch(`${base}/health`)).status === 200);
  }, 100_000);
  afterAll(async () => {
    for (const child of children) {
      if (child.exitCode !== null) continue;
      child.kill("SIGTERM");
      await once(child, "exit");
    }
  });

  function started(command: string, args: readonly string[]): ChildProcess {
    const child = spawn(command, [...args], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    return child;
  }

  it("ask-behind-nginx prints the answer", async () => {
    const { stdout } = await run("ask-behind-nginx.mjs", [`${base}/v1`, picture("scene.png"), "What do you see?"], { SIGHTLINE_API_KEY: key });
    expect(stdout).toBe("I see an airplane, a hamburger and a sailboat.\n");
  });

  it("ask-behind-nginx says what the server says where the key is wrong", async () => {
    await expect(run("ask-behind-nginx.mjs", [`${base}/v1`], { SIGHTLINE_API_KEY: "wrong" })).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/^401: /) });
  });

  it("passes words on as they come", async () => {
    const messages = [{ role: "user", content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${await readFile(picture("scene.png"), "base64")}` } }, { type: "text", text: "What do you see?" }] }];
    const response = await fetch(`${base}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${key}` }, body: JSON.stringify({ model: "mini", stream: true, messages }) });
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    let pieces = 0;
    for await (const piece of response.body as ReadableStream<Uint8Array>) pieces += piece.length > 0 ? 1 : 0;
    expect(pieces).toBeGreaterThan(2);
  });

  it("knows its own name and no other, and keeps the figures back", async () => {
    expect(await status("/health", "images.example.com")).toBe(200);
    expect(await status("/health", "evil.example.com")).toBe(403);
    expect(await status("/metrics", "images.example.com")).toBe(404);
  });

  it("lets no request in that is larger than what the server takes", async () => {
    const response = await fetch(`${base}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: new Uint8Array(33 * 2 ** 20) }).catch((error: Error) => error);
    // nginx answers at once, which may reach a client that still sends as a broken connection.
    if (response instanceof Response) expect(response.status).toBe(413);
    else expect(response).toBeInstanceOf(TypeError);
  });

  function status(where: string, host: string): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, path: where, headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on("error", reject).end();
    });
  }
});

describe("examples/README.md", () => {
  it("lists every program, and every program was run above", async () => {
    const programs = (await readdir(examples)).filter((name) => name.endsWith(".mjs"));
    expect(programs.length).toBe(10);
    const readme = await readFile(picture("README.md"), "utf8");
    for (const program of programs) expect(readme).toContain(`(${program})`);
    expect(programs.filter((program) => !tried.has(program) && (hasNginx || program !== "ask-behind-nginx.mjs"))).toEqual([]);
  });

  it("each is 20 to 60 lines of plain JavaScript that Node 20 runs", async () => {
    for (const program of (await readdir(examples)).filter((name) => name.endsWith(".mjs"))) {
      const code = await readFile(picture(program), "utf8");
      expect(code.trimEnd().split("\n").length, program).toBeGreaterThanOrEqual(20);
      expect(code.trimEnd().split("\n").length, program).toBeLessThanOrEqual(60);
      expect(code, program).not.toMatch(/^\s*await using/m);
    }
  });
});

async function firstLine(child: ChildProcess): Promise<string> {
  let printed = "";
  for await (const piece of child.stdout as NodeJS.ReadableStream) {
    printed += String(piece);
    if (printed.includes("\n")) {
      child.stdout?.resume();
      return printed;
    }
  }
  throw new Error(`the program ended after: ${printed}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds().catch(() => false)); tries++) {
    if (tries > 300) throw new Error("example-programs.test: nginx or the server behind it did not answer in 60 s");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
