import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** To where questions are written: where the focus goes when what had it is gone. On a phone that would bring up the keyboard. */
export function focusQuestion(): void {
  if (matchMedia("(pointer: fine)").matches) document.querySelector<HTMLElement>("#question")?.focus({ preventScroll: true });
}

/** For a place in which a button, marked `data-returns`, opens something: the button has the focus back when that has gone and nothing else has it. */
export function useReturnedFocus<Place extends HTMLElement>(open: boolean): RefObject<Place | null> {
  const place = useRef<Place>(null);
  const was = useRef(open);
  useEffect(() => {
    if (was.current && !open && document.activeElement === document.body) place.current?.querySelector<HTMLElement>("[data-returns]")?.focus();
    was.current = open;
  }, [open]);
  return place;
}
