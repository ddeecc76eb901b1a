import type { TensorValue } from "@sightline/graph";

type Outputs = Readonly<Record<string, TensorValue>>;

/** The least cosine between rows of two outputs, for pooled embeddings and for whatever else there is: patch tokens, or rows of a projector. */
export interface Agreement {
  readonly pooled: number;
  readonly patch: number;
}

/** An image's or a text's one embedding. */
const pooledOutputs: readonly string[] = ["pooled", "embeddings"];

/**
 * How far the outputs of a tower in another precision are from float32's.
 */
export function agreementOf(exact: readonly Outputs[], other: readonly Outputs[]): Agreement {
  const least = (name: string): number =>
    exact.reduce((lowest, outputs, i) => {
      const values = outputs[name];
      // A tower without a pooling head has patch tokens alone.
      return values ? Math.min(lowest, leastRowCosine(values, other[i]?.[name] as TensorValue)) : lowest;
    }, 1);
  const others = Object.keys(exact[0] ?? {}).filter((name) => !pooledOutputs.includes(name));
  return { pooled: Math.min(...pooledOutputs.map(least)), patch: Math.min(1, ...others.map(least)) };
}

function leastRowCosine(a: TensorValue, b: TensorValue): number {
  const width = a.shape.at(-1) as number;
  const x = a.data as Float32Array;
  const y = b.data as Float32Array;
  let least = 1;
  for (let start = 0; start < x.length; start += width) {
    let dot = 0;
    let xx = 0;
    let yy = 0;
    for (let i = start; i < start + width; i++) {
      dot += (x[i] as number) * (y[i] as number);
      xx += (x[i] as number) ** 2;
      yy += (y[i] as number) ** 2;
    }
    // Rows of zeros, as padding may give, agree with each other; a NaN agrees with nothing.
    const cosine = xx === 0 && yy === 0 ? 1 : dot / Math.sqrt(xx * yy);
    least = cosine >= least ? least : Number.isNaN(cosine) ? -1 : cosine;
  }
  return least;
}
