import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadSiglip } from "@sightline/vision-tower";
import { Command } from "commander";

const photo = fileURLToPath(new URL("../../packages/vision-tower/calibration/photo.jpg", import.meta.url));
const mini = fileURLToPath(new URL("../../models/mini/siglip", import.meta.url));
const first = 100;
const callers = 10;

interface Resident {
  /** As the process stands, with garbage that V8 has not collected yet: up to some 64 MB of decoded pixels. */
  readonly asItIsMb: number;
  /** What is left of it after a collection. */
  readonly collectedMb: number;
}

/** `bench memory`: the resident size after 100 encodes of a JPEG file and after many more. */
export function memoryBench(): Command {
  return new Command("memory")
    .option("--encodes <n>", "images in all", Number, 10_000)
    .option("--model <folder>", "a SigLIP checkpoint", mini)
    .option("--file <jpeg>", "the picture that is encoded", photo)
    .option("--json", "the default: one JSON object")
    .action(measure);
}

async function measure({ encodes, model, file }: { readonly encodes: number; readonly model: string; readonly file: string }): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await using tower = await loadSiglip(model, { towers: ["vision"] });
  const resident = (): Resident => {
    const asItIsMb = megabytes();
    collect();
    return { asItIsMb, collectedMb: megabytes() };
  };
  const started = performance.now();
  let done = 0;
  const encodeUntil = async (count: number): Promise<Resident> => {
    for (; done < count; done += callers) await Promise.all(Array.from({ length: callers }, () => tower.encodeImages([file])));
    return resident();
  };
  const after100 = await encodeUntil(first);
  const tenths: Resident[] = [];
  for (let tenth = 1; tenth <= 10; tenth++) tenths.push(await encodeUntil((encodes * tenth) / 10));
  const atEnd = tenths[9] as Resident;
  const result = {
    encodes,
    after100,
    atEnd,
    ratio: { asItIs: ratio(atEnd.asItIsMb, after100.asItIsMb), collected: ratio(atEnd.collectedMb, after100.collectedMb) },
    everyTenth: tenths,
    imagesPerSecond: Number((encodes / ((performance.now() - started) / 1000)).toPrecision(4)),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

function megabytes(): number {
  return Number((process.memoryUsage.rss() / 2 ** 20).toFixed(1));
}

function ratio(a: number, b: number): number {
  return Number((a / b).toFixed(3));
}
