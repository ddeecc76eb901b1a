import { settings } from "./settings";

/** Puts the theme of the settings on the page, now and whenever it changes; "system" leaves it to the browser. */
export function followTheme(): void {
  const put = (): void => {
    const { theme } = settings.get();
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  };
  put();
  settings.subscribe(put);
}
