import type { VNode } from "preact";
import { useObservable } from "../observable";
import { IconButton } from "./icon-button";
import { dismissNotice, holdNotice, notice } from "./notices";

/** What was done or went wrong, told at the foot of the page and to screen readers. */
export function NoticeLine(): VNode {
  const now = useObservable(notice);
  return (
    <div class="notices" role="status" aria-live="polite">
      {now && (
        <div class={`notice ${now.kind}`} onPointerEnter={holdNotice} onFocusIn={holdNotice}>
          <span>{now.text}</span>
          {now.action && (
            <button
              type="button"
              class="text-button"
              onClick={() => {
                now.action?.run();
                dismissNotice();
              }}
            >
              {now.action.label}
            </button>
          )}
          <IconButton icon="close" label="Dismiss" onClick={dismissNotice} />
        </div>
      )}
    </div>
  );
}
