import type { ImagePlan, ResampleFilter } from "@sightline/vision-tower";

/** A picture shown once, squashed to the tower's square, with nothing around it; as it is where `filter` is null. */
export function squashed(side: number, filter: ResampleFilter | null): ImagePlan {
  return { views: [filter === null ? [] : [{ type: "resize", width: side, height: side, filter }]], layout: [{ type: "view", view: 0 }] };
}
