import { observable, type Observable } from "../observable";

/** Something that was done or went wrong, told at the foot of the page for a while. */
export interface Notice {
  readonly text: string;
  readonly kind: "done" | "failure";
  readonly action?: { readonly label: string; readonly run: () => void };
}

export const notice: Observable<Notice | undefined> = observable<Notice | undefined>(undefined);

const shownMs = 8000;
let timer: ReturnType<typeof setTimeout> | undefined;

export function tell(next: Notice): void {
  clearTimeout(timer);
  notice.set(next);
  timer = setTimeout(() => notice.set(undefined), shownMs);
}

/** Keeps the notice while somebody is about to use it. */
export function holdNotice(): void {
  clearTimeout(timer);
}

export function dismissNotice(): void {
  clearTimeout(timer);
  notice.set(undefined);
}

export function tellFailure(error: unknown): void {
  tell({ kind: "failure", text: error instanceof Error ? error.message : String(error) });
}
