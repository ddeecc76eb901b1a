import { useEffect, useState } from "preact/hooks";
import { observable, type Observable } from "../observable";
import { changeSettings, settings } from "../settings/settings";

/** From here on the panel stands beside the conversation, and below over it. */
export const wide = "(min-width: 1180px)";
export const roomy = "(min-width: 860px)";

/** Whether the list and SigLIP's view are open. Where there is no room for both they lie over the page, one at a time. */
export interface Panels {
  readonly list: boolean;
  readonly view: boolean;
}

const viewWanted = (): boolean => matchMedia(wide).matches && settings.get().view;

export const panels: Observable<Panels> = observable<Panels>({ list: matchMedia(roomy).matches, view: viewWanted() });

/** Where room is lost nothing is laid over the page, and where there is room again both come back. */
export function followRoom(): void {
  for (const query of [roomy, wide]) matchMedia(query).addEventListener("change", () => panels.set({ list: matchMedia(roomy).matches, view: viewWanted() }));
}

export function toggleList(): void {
  panels.update(({ list, view }) => ({ list: !list, view: view && matchMedia(roomy).matches }));
}

export function toggleView(open: boolean): void {
  panels.update(({ list }) => ({ list: list && matchMedia(roomy).matches, view: open }));
  if (matchMedia(wide).matches) changeSettings({ view: open });
}

/** Closes what lies over the page. */
export function closeOverlays(): void {
  panels.update(({ list, view }) => ({ list: list && matchMedia(roomy).matches, view: view && matchMedia(wide).matches }));
}

export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const look = (): void => setMatches(media.matches);
    look();
    media.addEventListener("change", look);
    return () => media.removeEventListener("change", look);
  }, [query]);
  return matches;
}
