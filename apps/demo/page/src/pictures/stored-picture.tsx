import type { VNode } from "preact";
import type { Picture } from "../conversation/conversation";
import { usePictureUrl } from "./picture-bytes";

/** A picture by its id, with its place kept free until it has been read. */
export function StoredPicture({ picture, alt }: { picture: Picture; alt: string }): VNode {
  const url = usePictureUrl(picture.id);
  const { width, height } = picture;
  if (url === null) return <span class="picture-lost">This picture is no longer in this browser.</span>;
  if (url === undefined) return <span class="picture-waiting" style={{ aspectRatio: `${width} / ${height}` }} />;
  return <img src={url} alt={alt} width={width} height={height} decoding="async" />;
}
