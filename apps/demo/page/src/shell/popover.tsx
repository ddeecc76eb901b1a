import type { ComponentChildren, TargetedToggleEvent, VNode } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

interface PopoverProps {
  /** What the button shows. */
  readonly trigger: ComponentChildren;
  readonly label: string;
  readonly triggerClass: string;
  readonly align?: "start" | "end";
  readonly children: (close: () => void) => ComponentChildren;
}

/** A button and what it opens above the page; Escape and a click elsewhere close it, as the browser does for popovers. */
export function Popover({ trigger, label, triggerClass, align = "end", children }: PopoverProps): VNode {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const close = (): void => panel.current?.hidePopover();
  const toPlace = (): void => place(panel.current, button.current, align);
  useEffect(() => {
    if (!open) return undefined;
    toPlace();
    window.addEventListener("resize", toPlace);
    return () => window.removeEventListener("resize", toPlace);
  }, [open]);
  const toggled = (event: TargetedToggleEvent<HTMLDivElement>): void => {
    setOpen(event.newState === "open");
  };
  return (
    <>
      <button ref={button} type="button" class={triggerClass} aria-label={label} title={label} aria-expanded={open} popovertarget={id} data-returns>
        {trigger}
      </button>
      <div ref={panel} id={id} popover="auto" class="popover" onToggle={toggled}>
        {open ? children(close) : null}
      </div>
    </>
  );
}

const gap = 6;
const margin = 8;

/** Under the button, or over it where there is no room; always on the screen. */
function place(panel: HTMLElement | null, button: HTMLElement | null, align: "start" | "end"): void {
  if (!panel || !button) return;
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const left = align === "start" ? at.left : at.right - width;
  const below = at.bottom + gap;
  const top = below + height > innerHeight - margin ? at.top - gap - height : below;
  panel.style.left = `${Math.max(margin, Math.min(left, innerWidth - width - margin))}px`;
  panel.style.top = `${Math.max(margin, top)}px`;
}
