import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { loadSiglip } from "@sightline/vision-tower";
import { Command } from "commander";

const photo = fileURLToPath(new URL("../../packages/vision-tower/calibration/photo.jpg", import.meta.url));
const mini = fileURLToPath(new URL("../../models/mini/siglip", import.meta.url));
const first = 100;
const callers = 10;

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
  await using tower = await loadSiglip(model, { towers: ["vision"] });
  const megabytes = (): number => Number((process.memoryUsage.rss() / 2 ** 20).toFixed(1));
  const timeline: Record<number, number> = {};
  let afterFirst = Number.NaN;
  const started = performance.now();
  for (let done = 0; done < encodes; ) {
    await Promise.all(Array.from({ length: callers }, () => tower.encodeImages([file])));
    done += callers;
    if (done === first) afterFirst = megabytes();
    if (done % Math.ceil(encodes / 10) < callers) timeline[done] = megabytes();
  }
  const seconds = (performance.now() - started) / 1000;
  const atEnd = megabytes();
  const result = { encodes, residentMbAfter100: afterFirst, residentMbAtEnd: atEnd, ratio: Number((atEnd / afterFirst).toFixed(3)), timeline, imagesPerSecond: Number((encodes / seconds).toPrecision(4)) };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
