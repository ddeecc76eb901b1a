import { linear, reshape, softmaxCrossEntropy, type Graph, type Tensor, type TensorValue } from "@sightline/graph";
import type { Parameter } from "@sightline/vision-tower";
import { miniVision } from "./mini-config.js";
import { objectNames } from "./objects.js";
import type { SceneSpec } from "./scenes/scene.js";

/** The class of a patch that shows none of the objects. */
const background = objectNames.length;
/** Most patches are background, and easily told; each counts as a tenth of one that shows an object. */
const backgroundWeight = 0.1;
const classOf = new Map(objectNames.map((name, i) => [name, i]));

/**
 * A classifier on single patch tokens, used in training only: which object a patch lies in. It tells the tower where in
 * a picture a name is true, from the first step on; the sigmoid loss on pooled embeddings alone stays for thousands of
 * steps at what the labels' frequencies give. Inputs: `patchClasses` int64[B·K], `patchWeights` float32[B·K].
 */
export function patchNameLoss(graph: Graph, patchTokens: Tensor, parameter: Parameter, rows: number): Tensor {
  const { width } = miniVision;
  const classes = background + 1;
  const tokens = reshape(patchTokens, [rows, width]);
  const logits = linear(tokens, parameter("patch_classifier.weight", [classes, width]), parameter("patch_classifier.bias", [classes]));
  return softmaxCrossEntropy(logits, graph.input("patchClasses", "int64", [rows]), graph.input("patchWeights", "float32", [rows]));
}

/**
 * The inputs of `patchNameLoss`: the object that a patch's centre lies well inside of, background well outside of all,
 * and no say at the border.
 * @param positions places in the grid, as many for each scene; all of them in order when left out
 */
export function patchNames(scenes: readonly SceneSpec[], positions?: BigInt64Array): Record<"patchClasses" | "patchWeights", TensorValue> {
  const columns = miniVision.imageSize / miniVision.patchSize;
  const rows = positions?.length ?? scenes.length * columns ** 2;
  const perImage = rows / scenes.length;
  const classes = new BigInt64Array(rows).fill(BigInt(background));
  const weights = new Float32Array(rows).fill(backgroundWeight);
  for (let row = 0; row < rows; row++) {
    const position = positions === undefined ? row % perImage : Number(positions[row]);
    const x = ((position % columns) + 0.5) / columns;
    const y = (Math.floor(position / columns) + 0.5) / columns;
    let nearest = Number.POSITIVE_INFINITY;
    let name = "";
    for (const object of (scenes[Math.floor(row / perImage)] as SceneSpec).objects) {
      const { left, right, top, bottom } = object.bounds;
      // 1 on the ellipse that touches the object's box from inside.
      const distance = Math.hypot((2 * x - left - right) / (right - left), (2 * y - top - bottom) / (bottom - top));
      if (distance < nearest) [nearest, name] = [distance, object.name];
    }
    if (nearest <= 0.9) {
      classes[row] = BigInt(classOf.get(name) ?? background);
      weights[row] = 1;
    } else if (nearest <= 1.5) weights[row] = 0;
  }
  return { patchClasses: { dtype: "int64", shape: [rows], data: classes }, patchWeights: { dtype: "float32", shape: [rows], data: weights } };
}
