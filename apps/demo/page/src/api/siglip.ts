import { postJson } from "./api-error";

export interface Tag {
  readonly label: string;
  /** 0 to 1, of each label by itself: they need not add up to 1. */
  readonly probability: number;
}

export interface Tags {
  readonly tags: readonly Tag[];
  readonly none_of_the_above: boolean;
}

/** Where a text is true of a picture: a value for each patch, row by row, over the whole picture. */
export interface Heatmap {
  readonly probability: number;
  readonly grid: { readonly rows: number; readonly columns: number; readonly values: readonly number[] };
}

export function tagPicture(image: string, labels: readonly string[], signal: AbortSignal): Promise<Tags> {
  return postJson("/v1/tag", { image, labels }, signal);
}

export function heatmapOf(image: string, text: string, signal: AbortSignal): Promise<Heatmap> {
  return postJson("/v1/heatmap", { image, text }, signal);
}
