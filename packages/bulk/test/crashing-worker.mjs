// A worker whose library ends the process on one image, as a native crash would. Arguments: the run's folder, a name.
import { readRunManifest } from "../dist/run-manifest.js";
import { ShardImages } from "../dist/shard-images.js";
import { workShard } from "../dist/work-shard.js";

const [, , folder, worker] = process.argv;
const manifest = await readRunManifest(folder);
const images = await ShardImages.open(folder, manifest);
const task = {
  async *outcomes(inputs) {
    for await (const { path } of inputs) {
      if (path.endsWith("killer.png")) process.kill(process.pid, "SIGKILL");
      yield { path, outcome: { embedding: Float32Array.of(path.length) } };
    }
  },
};
await workShard({ folder, manifest, images }, 0, task, { worker, signal: new AbortController().signal });
await images[Symbol.asyncDispose]();
