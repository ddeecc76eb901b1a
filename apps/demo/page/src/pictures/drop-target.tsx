import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { bringsFiles, pictureFiles } from "./dropped-files";

interface DropTargetProps {
  readonly onFiles: (files: readonly File[]) => void;
  readonly onNothing: () => void;
}

/** The whole page takes pictures that are dropped on it, and those that are pasted. */
export function DropTarget({ onFiles, onNothing }: DropTargetProps): VNode {
  const [over, setOver] = useState(false);
  useEffect(() => {
    // Each element that the pointer crosses sends an enter and a leave.
    let depth = 0;
    const enter = (event: DragEvent): void => {
      if (!bringsFiles(event.dataTransfer)) return;
      event.preventDefault();
      depth++;
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (!bringsFiles(event.dataTransfer)) return;
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const allow = (event: DragEvent): void => {
      if (bringsFiles(event.dataTransfer)) event.preventDefault();
    };
    const drop = (event: DragEvent): void => {
      if (!bringsFiles(event.dataTransfer)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      const files = pictureFiles(event.dataTransfer);
      if (files.length > 0) onFiles(files);
      else onNothing();
    };
    const paste = (event: ClipboardEvent): void => {
      const files = pictureFiles(event.clipboardData);
      if (files.length === 0) return;
      event.preventDefault();
      onFiles(files);
    };
    const listeners: [string, (event: never) => void][] = [["dragenter", enter], ["dragleave", leave], ["dragover", allow], ["drop", drop], ["paste", paste]];
    for (const [type, listener] of listeners) window.addEventListener(type, listener as EventListener);
    return () => {
      for (const [type, listener] of listeners) window.removeEventListener(type, listener as EventListener);
    };
  }, [onFiles, onNothing]);
  return (
    <div class="drop-target" data-over={over} aria-hidden="true">
      <p>Drop to ask about it</p>
    </div>
  );
}
