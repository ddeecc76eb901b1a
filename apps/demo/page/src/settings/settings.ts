import { observable, type Observable } from "../observable";

export interface Settings {
  /** Chosen by the person; undefined: the first that the server has. */
  readonly model: string | undefined;
  readonly temperature: number;
  /** Tokens of an answer at most. */
  readonly maxTokens: number;
  readonly systemPrompt: string;
  readonly detail: "auto" | "low" | "high";
  readonly theme: "system" | "light" | "dark";
  /** What SigLIP is asked about every picture. */
  readonly labels: readonly string[];
  /** Whether SigLIP's view stands beside conversations where there is room for it. */
  readonly view: boolean;
}

export const defaultSettings: Settings = {
  model: undefined,
  temperature: 0,
  maxTokens: 512,
  systemPrompt: "",
  detail: "auto",
  theme: "system",
  labels: ["airplane", "crab", "hamburger", "penguin", "sailboat", "sunflower"],
  view: true,
};

export const limits = { temperature: { min: 0, max: 2 }, maxTokens: { min: 1, max: 4096 }, systemPrompt: 8000, labels: 64, label: 100 } as const;

const key = "sightline.settings";

/** Kept in localStorage; what is stored there and is no setting is left out. */
export const settings: Observable<Settings> = observable(parseSettings(stored()));

export function changeSettings(change: Partial<Settings>): void {
  settings.update((now) => ({ ...now, ...change }));
  try {
    localStorage.setItem(key, JSON.stringify(settings.get()));
  } catch {
    // Storage is full or forbidden: they last as long as the page.
  }
}

function stored(): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "{}");
  } catch {
    return {};
  }
}

export function parseSettings(value: unknown): Settings {
  const given = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const numberIn = (name: "temperature" | "maxTokens"): number => {
    const number = given[name];
    const { min, max } = limits[name];
    return typeof number === "number" && number >= min && number <= max ? number : defaultSettings[name];
  };
  const oneOf = <T extends string>(name: string, choices: readonly T[], otherwise: T): T => (choices.includes(given[name] as T) ? (given[name] as T) : otherwise);
  return {
    model: typeof given["model"] === "string" ? given["model"] : undefined,
    temperature: numberIn("temperature"),
    maxTokens: Math.round(numberIn("maxTokens")),
    systemPrompt: typeof given["systemPrompt"] === "string" ? given["systemPrompt"].slice(0, limits.systemPrompt) : "",
    detail: oneOf("detail", ["auto", "low", "high"], "auto"),
    theme: oneOf("theme", ["system", "light", "dark"], "system"),
    labels: Array.isArray(given["labels"]) && given["labels"].every((label) => typeof label === "string") ? given["labels"].slice(0, limits.labels) : defaultSettings.labels,
    view: given["view"] !== false,
  };
}
