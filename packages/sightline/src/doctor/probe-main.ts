import type { DeviceFacts, Finding, Probes } from "./probe.js";

/**
 * What a probe's process does. Each part is imported where it is tried, so that a library that does not load is a
 * finding and not the end of the others.
 */
const probes: { readonly [Name in keyof Probes]: () => Promise<Finding<Probes[Name]>> } = {
  runtime: async () => {
    const { onnxruntimeVersion } = await import("@sightline/graph");
    return { usable: true, version: onnxruntimeVersion() };
  },
  cpu: () => device("cpu"),
  webgpu: () => device("webgpu"),
  cuda: () => device("cuda"),
  tensorrt: () => device("tensorrt"),
  images: async () => {
    const { imageLibrary } = await import("@sightline/vision-tower");
    return { usable: true, ...imageLibrary() };
  },
  decoder: async () => {
    const { installedLlama } = await import("@sightline/decoder");
    return { usable: true, ...(await installedLlama()) };
  },
  mini: async () => {
    const { findModelFiles, miniDirectory } = await import("../models/model-files.js");
    const { readImageModel } = await import("../image-model.js");
    const { checkModelPair } = await import("../models/model-pair.js");
    const { openWeights } = await import("@sightline/weights");
    const { join } = await import("node:path");
    const files = await findModelFiles("mini");
    await checkModelPair(files, await readImageModel(files.mmproj));
    const siglip = join(miniDirectory(), "siglip");
    await (await openWeights(siglip)).close();
    return { usable: true, folder: miniDirectory(), files: [files.mmproj, files.decoder, siglip] };
  },
};

async function device(name: "cpu" | "webgpu" | "cuda" | "tensorrt"): Promise<Finding<DeviceFacts>> {
  return (await import("./device-trial.js")).tryDevice(name);
}

const name = process.argv[2] as keyof Probes;
let finding: Finding<unknown>;
try {
  finding = await probes[name]();
} catch (error) {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  // Messages that end with a command, as DecoderError's do, keep it apart.
  const command = /; run: (.+)$/.exec(line)?.[1];
  finding = { usable: false, reason: command === undefined ? line : line.slice(0, -`; run: ${command}`.length), ...(command === undefined ? {} : { command }) };
}
process.stdout.write(`${JSON.stringify(finding)}\n`);
