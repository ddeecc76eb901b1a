import type { VNode } from "preact";
import type { Picture } from "../conversation/conversation";
import { StoredPicture } from "../pictures/stored-picture";
import { IconButton } from "../shell/icon-button";

interface PictureTrayProps {
  readonly pictures: readonly Picture[];
  readonly preparing?: number;
  readonly onRemove: (id: string) => void;
}

/** The pictures of a question that is being written, each with a button that takes it out. */
export function PictureTray({ pictures, preparing = 0, onRemove }: PictureTrayProps): VNode | null {
  if (pictures.length === 0 && preparing === 0) return null;
  return (
    <ul class="tray" aria-label="Pictures to ask about">
      {pictures.map((picture) => (
        <li key={picture.id}>
          <StoredPicture picture={picture} alt={picture.name} />
          <IconButton icon="close" label={`Remove ${picture.name}`} onClick={() => onRemove(picture.id)} />
        </li>
      ))}
      {Array.from({ length: preparing }, (_, index) => (
        <li key={`preparing-${index}`} class="preparing" aria-label="Reading a picture" />
      ))}
    </ul>
  );
}
