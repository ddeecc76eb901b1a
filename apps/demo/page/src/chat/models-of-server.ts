import { ApiError } from "../api/api-error";
import { listModels, pullModel, type Model, type PullProgress } from "../api/models";
import { observable, type Observable } from "../observable";
import { changeSettings, settings } from "../settings/settings";

export interface ServerState {
  /** "starting": it answers, and is still loading. */
  readonly reach: "unknown" | "ready" | "starting" | "unreachable" | "failing";
  readonly problem?: string;
  readonly models: readonly Model[];
  /** Downloads under way, by model. */
  readonly pulls: ReadonlyMap<string, PullProgress>;
  readonly pullFailures: ReadonlyMap<string, string>;
}

export const server: Observable<ServerState> = observable<ServerState>({ reach: "unknown", models: [], pulls: new Map(), pullFailures: new Map() });

const againMs = 2000;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Asks the server what it has; asks again until it answers, and while it is downloading. */
export async function askForModels(): Promise<void> {
  clearTimeout(timer);
  try {
    const models = await listModels();
    server.update((now) => ({ ...withoutProblem(now), reach: "ready", models }));
    if (models.some(({ id, status }) => status === "downloading" && !server.get().pulls.has(id))) timer = setTimeout(() => void askForModels(), againMs);
  } catch (error) {
    const kind = error instanceof ApiError ? error.kind : "broken";
    const reach = kind === "unreachable" ? "unreachable" : kind === "busy" ? "starting" : "failing";
    server.update((now) => ({ ...now, reach, problem: error instanceof Error ? error.message : String(error) }));
    timer = setTimeout(() => void askForModels(), againMs);
  }
}

const withoutProblem = ({ models, pulls, pullFailures, reach }: ServerState): ServerState => ({ models, pulls, pullFailures, reach });

export const chatModels = ({ models }: ServerState): readonly Model[] => models.filter(({ kind }) => kind === "chat");
export const hasSiglip = ({ models }: ServerState): boolean => models.some(({ kind }) => kind === "siglip");

/** The model that answers: the chosen one while the server has it, else one that is loaded, else the first. */
export function modelInUse(state: ServerState, chosen: string | undefined): Model | undefined {
  const models = chatModels(state);
  return models.find(({ id }) => id === chosen) ?? models.find(({ status }) => status === "loaded") ?? models[0];
}

const downloads = new Map<string, AbortController>();

/** Makes a model the one that answers; one that the server lacks is downloaded first. */
export async function chooseModel(model: Model): Promise<void> {
  if (model.status === "loaded") {
    changeSettings({ model: model.id });
    return;
  }
  if (downloads.has(model.id)) return;
  const controller = new AbortController();
  downloads.set(model.id, controller);
  server.update((now) => ({ ...now, pulls: withEntry(now.pulls, model.id, { loaded: 0, total: undefined }), pullFailures: withoutEntry(now.pullFailures, model.id) }));
  try {
    for await (const progress of pullModel(model.id, controller.signal)) server.update((now) => ({ ...now, pulls: withEntry(now.pulls, model.id, progress) }));
    changeSettings({ model: model.id });
  } catch (error) {
    if (!controller.signal.aborted) server.update((now) => ({ ...now, pullFailures: withEntry(now.pullFailures, model.id, error instanceof Error ? error.message : String(error)) }));
  } finally {
    downloads.delete(model.id);
    server.update((now) => ({ ...now, pulls: withoutEntry(now.pulls, model.id) }));
    void askForModels();
  }
}

export function cancelDownload(id: string): void {
  downloads.get(id)?.abort();
}

export const chosenModel = (): Model | undefined => modelInUse(server.get(), settings.get().model);

function withEntry<V>(map: ReadonlyMap<string, V>, key: string, value: V): ReadonlyMap<string, V> {
  return new Map(map).set(key, value);
}

function withoutEntry<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
