import { cp } from "node:fs/promises";
import path from "node:path";
import { openWeights, writeSafetensors, type TensorToWrite } from "@sightline/weights";
import { goldenPath } from "./goldens.js";

/** Channels that every vector of the bfloat16 golden has. */
const channels = [3, 40, 77];

/** A copy below `parent` of the bfloat16 golden in which some channels of the tensors that `names` match are multiplied. */
export async function plantOutliers(parent: string, names: RegExp, factor: number): Promise<string> {
  const directory = path.join(parent, `${names.source.replace(/\W/g, "")}-${factor}`);
  await cp(goldenPath("siglip-bfloat16"), directory, { recursive: true });
  await using source = await openWeights(goldenPath("siglip-bfloat16"));
  const tensors: TensorToWrite[] = [];
  for (const { name, shape } of source.tensors.values()) {
    const data = await source.readFloat32(name);
    if (names.test(name)) for (const channel of channels) data[channel] = (data[channel] as number) * factor + factor / 10;
    tensors.push({ name, dtype: "F32", shape, data });
  }
  await writeSafetensors(path.join(directory, "model.safetensors"), tensors);
  return directory;
}
