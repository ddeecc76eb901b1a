import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { EvalError } from "../../eval-error.js";
import { checkCaptions, type CaptionToScore } from "../captions/score-captions.js";
import { tokenizeCaptions } from "../captions/tokenizer/caption-words.js";

const run = promisify(execFile);

/** Settings of the metrics that run in Java. */
export interface JavaMetricsOptions {
  /** The `java` to run; the one on the PATH when left out. */
  readonly java?: string;
  readonly signal?: AbortSignal;
}

/**
 * METEOR 1.5 with its table of paraphrases, by its authors' jar (`meteor-1.5.jar`, with its `data` folder beside it), run as
 * the COCO evaluation runs it: `-l en -norm`, the corpus's figure from the sums.
 * @throws EvalError `java-missing` when Java or the jar is not there, or fails
 */
export async function meteorOfJar(captions: readonly CaptionToScore[], jar: string, options: JavaMetricsOptions = {}): Promise<number> {
  checkCaptions(captions);
  const java = await javaFor("meteorOfJar", jar, options);
  const child = spawn(java, ["-Xmx2G", "-jar", path.resolve(jar), "-", "-", "-stdio", "-l", "en", "-norm"], { cwd: path.dirname(path.resolve(jar)), ...(options.signal ? { signal: options.signal } : {}) });
  const failed = new Promise<never>((_, reject) => {
    child.once("error", (cause) => reject(failure("meteorOfJar", jar, cause)));
    child.once("exit", (code) => reject(failure("meteorOfJar", jar, new Error(`it ended with code ${code}`))));
  });
  failed.catch(() => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    const answer = await Promise.race([lines.next(), failed]);
    return String(answer.value);
  };
  try {
    const candidates = tokenizeCaptions(captions.map(({ candidate = "" }) => candidate));
    const stats: string[] = [];
    for (const [i, { references }] of captions.entries()) {
      const texts = [...tokenizeCaptions(references), candidates[i] as string].map((text) => text.replaceAll("|||", "").replaceAll("  ", " "));
      stats.push(await ask(`SCORE ||| ${texts.join(" ||| ")}`));
    }
    child.stdin.write(`EVAL ||| ${stats.join(" ||| ")}\n`);
    // One score an image, then the corpus's.
    for (let i = 0; i < captions.length; i++) await Promise.race([lines.next(), failed]);
    const corpus = Number((await Promise.race([lines.next(), failed])).value);
    if (!Number.isFinite(corpus)) throw failure("meteorOfJar", jar, new Error("it gave no figure"));
    return corpus;
  } finally {
    child.kill();
  }
}

/**
 * SPICE by its authors' jar (`spice-1.0.jar`, with `lib` beside it; it needs Java 8 and half a gigabyte of models).
 * @returns the mean of the images' F scores
 * @throws EvalError `java-missing` when Java or the jar is not there, or fails
 */
export async function spiceOfJar(captions: readonly CaptionToScore[], jar: string, options: JavaMetricsOptions = {}): Promise<number> {
  checkCaptions(captions);
  const java = await javaFor("spiceOfJar", jar, options);
  const folder = await mkdtemp(path.join(os.tmpdir(), "sightline-spice-"));
  try {
    const [input, output] = [path.join(folder, "in.json"), path.join(folder, "out.json")];
    await writeFile(input, JSON.stringify(captions.map(({ imageId, candidate = "", references }) => ({ image_id: imageId, test: candidate, refs: references }))));
    await run(java, ["-Xmx8G", "-jar", path.resolve(jar), input, "-cache", path.join(folder, "cache"), "-out", output, "-subset", "-silent"], {
      cwd: path.dirname(path.resolve(jar)),
      ...(options.signal ? { signal: options.signal } : {}),
    }).catch((cause: unknown) => {
      throw failure("spiceOfJar", jar, cause);
    });
    const scores = JSON.parse(await readFile(output, "utf8")) as { readonly scores: { readonly All: { readonly f: number } } }[];
    return scores.reduce((sum, { scores: { All } }) => sum + (Number.isFinite(All.f) ? All.f : 0), 0) / scores.length;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function javaFor(caller: string, jar: string, { java = "java" }: JavaMetricsOptions): Promise<string> {
  if (!(await stat(jar).catch(() => undefined))?.isFile()) throw new EvalError("java-missing", `${caller}: ${jar} is not there; expected the metric's jar with its data beside it, as the COCO caption evaluation ships it`);
  try {
    await run(java, ["-version"]);
  } catch (cause) {
    throw new EvalError("java-missing", `${caller}: ${java} does not run; install Java (a JRE, 8 or later), or leave the jar out`, { cause });
  }
  return java;
}

function failure(caller: string, jar: string, cause: unknown): EvalError {
  return new EvalError("java-missing", `${caller}: ${path.basename(jar)} failed: ${cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause)}`, { cause });
}
