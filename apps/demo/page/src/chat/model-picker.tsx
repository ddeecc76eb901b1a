import type { VNode } from "preact";
import type { Model, PullProgress } from "../api/models";
import { useObservable } from "../observable";
import { settings } from "../settings/settings";
import { Icon } from "../shell/icon";
import { IconButton } from "../shell/icon-button";
import { Popover } from "../shell/popover";
import { cancelDownload, chatModels, chooseModel, modelInUse, server } from "./models-of-server";

/** Which model answers. One that the server does not have yet is downloaded when it is chosen. */
export function ModelPicker(): VNode {
  const state = useObservable(server);
  const chosen = useObservable(settings, ({ model }) => model);
  const inUse = modelInUse(state, chosen);
  const name = inUse ? parted(inUse.id)[1] : state.reach === "unknown" || state.reach === "starting" ? "…" : "No model";
  const pulling = state.pulls.size > 0;
  return (
    <Popover
      label={`Model: ${name}`}
      triggerClass="picker-button"
      trigger={
        <>
          <span class={`dot ${pulling ? "pulling" : state.reach === "ready" && inUse ? "ready" : ""}`} aria-hidden="true" />
          <span class="picker-name">{name}</span>
          <Icon name="chevron" />
        </>
      }
    >
      {(close) => <ModelList inUse={inUse} onChosen={close} />}
    </Popover>
  );
}

function ModelList({ inUse, onChosen }: { inUse: Model | undefined; onChosen: () => void }): VNode {
  const state = useObservable(server);
  const models = chatModels(state);
  const choose = (model: Model): void => {
    void chooseModel(model);
    if (model.status === "loaded") onChosen();
  };
  return (
    <section class="models" aria-label="Models">
      <h2>Who answers</h2>
      {models.length === 0 && <p class="hint">The server has no model that chats.</p>}
      <ul>
        {models.map((model) => {
          const pull = state.pulls.get(model.id);
          const failure = state.pullFailures.get(model.id);
          const [owner, name] = parted(model.id);
          return (
            <li key={model.id}>
              <button type="button" class="model" aria-pressed={model.id === inUse?.id} disabled={pull !== undefined} onClick={() => choose(model)}>
                <span class="model-name">
                  {name}
                  {owner && <small>{owner}</small>}
                </span>
                <span class="model-status">{pull ? statusText.downloading : statusOf(model)}</span>
                {model.id === inUse?.id && <Icon name="check" />}
              </button>
              {pull && <DownloadProgress model={model.id} progress={pull} />}
              {failure && (
                <p class="model-failure" role="alert">
                  {failure}{" "}
                  <button type="button" class="text-button" onClick={() => choose(model)}>
                    Try again
                  </button>
                </p>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** "owner/name" in its two parts. */
function parted(id: string): readonly [owner: string | undefined, name: string] {
  const slash = id.lastIndexOf("/");
  return slash === -1 ? [undefined, id] : [id.slice(0, slash), id.slice(slash + 1)];
}

/** What choosing it would take is said before. */
function statusOf({ status, download }: Model): string {
  if (status !== "available" || download === undefined) return statusText[status];
  return download === null ? "to be downloaded" : `${download < 1e9 ? megabytes(download) : `${(download / 1e9).toFixed(1)} GB`} to download`;
}

const statusText: Readonly<Record<Model["status"], string>> = { loaded: "ready", available: "not loaded yet", downloading: "on its way" };

function DownloadProgress({ model, progress: { loaded, total } }: { model: string; progress: PullProgress }): VNode {
  const share = total === undefined ? undefined : Math.min(1, loaded / total);
  return (
    <div class="download">
      <progress aria-label={`Downloading ${model}`} {...(share === undefined ? {} : { value: share })} max={1} />
      <span>{loaded === 0 ? "loading" : total === undefined ? megabytes(loaded) : `${megabytes(loaded)} of ${megabytes(total)}`}</span>
      <IconButton icon="close" label={`Cancel downloading ${model}`} onClick={() => cancelDownload(model)} />
    </div>
  );
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
