import { observable, type Observable } from "../observable";

/** The picture that was chosen for SigLIP's view; undefined: the last one. */
export const lookedAt: Observable<string | undefined> = observable<string | undefined>(undefined);

/** The word whose place is shown; undefined: none. */
export const lookedFor: Observable<string | undefined> = observable<string | undefined>(undefined);

export function lookAt(id: string | undefined): void {
  lookedAt.set(id);
}
