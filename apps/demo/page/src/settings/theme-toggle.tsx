import type { VNode } from "preact";
import { useObservable } from "../observable";
import { IconButton } from "../shell/icon-button";
import { useMedia } from "../shell/panels";
import { changeSettings, settings } from "./settings";

/** From light to dark and back; the settings give it to the system again. */
export function ThemeToggle(): VNode {
  const theme = useObservable(settings, (now) => now.theme);
  const systemDark = useMedia("(prefers-color-scheme: dark)");
  const dark = theme === "dark" || (theme === "system" && systemDark);
  return <IconButton icon={dark ? "sun" : "moon"} label={dark ? "Light appearance" : "Dark appearance"} onClick={() => changeSettings({ theme: dark ? "light" : "dark" })} />;
}
