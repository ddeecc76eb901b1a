/** The blocks of each tower, L. */
export interface TowerLayers {
  readonly image: number;
  readonly text: number;
}

/** Where a parameter of a two-tower model lies, by its name in Hugging Face's layout. */
export interface TowerPlace {
  readonly tower: "image" | "text";
  /** 0 for the embeddings, i + 1 for block i, L + 1 for what follows the blocks: the last norm and the head. */
  readonly depth: number;
  readonly isHead: boolean;
}

/** The place of a parameter; undefined for one of neither tower, as `logit_scale`. Low-rank adapters lie where their matrix lies. */
export function towerPlace(name: string, layers: TowerLayers): TowerPlace | undefined {
  const match = /^(vision|text)_model\.(?:encoder\.layers\.(\d+)\.|(embeddings?)\.|(head)\.)?/.exec(name);
  if (!match) return undefined;
  const tower = match[1] === "vision" ? "image" : "text";
  if (match[2] !== undefined) return { tower, depth: Number(match[2]) + 1, isHead: false };
  if (match[3] !== undefined) return { tower, depth: 0, isHead: false };
  return { tower, depth: layers[tower] + 1, isHead: match[4] !== undefined };
}

/** Whether a parameter is the loss' own: t' or b. */
export function isTemperature(name: string): boolean {
  return name === "logit_scale" || name === "logit_bias";
}
