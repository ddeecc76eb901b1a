import { useEffect, useState } from "preact/hooks";
import { store } from "../conversation/history";
import { dataUrl } from "./data-url";

/** Pictures of this visit; those of earlier ones come from the store. */
const blobs = new Map<string, Blob>();
const urls = new Map<string, string>();

export function holdPicture(id: string, blob: Blob): void {
  blobs.set(id, blob);
}

/** Forgets a picture that was never sent. */
export function releasePicture(id: string): void {
  blobs.delete(id);
  const url = urls.get(id);
  if (url) URL.revokeObjectURL(url);
  urls.delete(id);
}

/** A picture as it was kept; undefined when the browser has lost it. */
export async function pictureBlob(id: string): Promise<Blob | undefined> {
  const held = blobs.get(id) ?? (await (await store)?.picture(id));
  if (held) blobs.set(id, held);
  return held;
}

/** A picture's bytes as a data URL; undefined when the browser has lost them. */
export async function pictureData(id: string): Promise<string | undefined> {
  const blob = await pictureBlob(id);
  return blob && dataUrl(blob);
}

/** An address to show a picture by; undefined until it has been read, null when it is lost. */
export function usePictureUrl(id: string): string | null | undefined {
  const [read, setRead] = useState<{ id: string; url: string | null }>();
  const known = urls.get(id);
  useEffect(() => {
    if (urls.has(id)) return undefined;
    let wanted = true;
    void pictureBlob(id).then((blob) => {
      if (blob && !urls.has(id)) urls.set(id, URL.createObjectURL(blob));
      if (wanted) setRead({ id, url: urls.get(id) ?? null });
    });
    return () => void (wanted = false);
  }, [id]);
  return known ?? (read?.id === id ? read.url : undefined);
}
