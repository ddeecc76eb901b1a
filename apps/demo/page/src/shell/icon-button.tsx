import type { Ref, VNode } from "preact";
import { Icon, type IconName } from "./icon";

interface IconButtonProps {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick?: () => void;
  readonly type?: "button" | "submit";
  readonly class?: string;
  readonly disabled?: boolean;
  readonly pressed?: boolean;
  readonly expanded?: boolean;
  readonly buttonRef?: Ref<HTMLButtonElement>;
}

/** A button that is only a sign; its name is for those who cannot see it, and for the mouse that rests on it. */
export function IconButton({ icon, label, onClick, type = "button", class: name = "", disabled = false, pressed, expanded, buttonRef }: IconButtonProps): VNode {
  return (
    <button ref={buttonRef ?? null} type={type} class={`icon-button ${name}`} aria-label={label} title={label} onClick={onClick} disabled={disabled} aria-pressed={pressed} aria-expanded={expanded}>
      <Icon name={icon} />
    </button>
  );
}
