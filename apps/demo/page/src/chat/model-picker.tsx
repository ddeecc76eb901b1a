import type { VNode } from "preact";
import { useId } from "preact/hooks";
import type { Model, PullProgress } from "../api/models";
import { useObservable } from "../observable";
import { settings } from "../settings/settings";
import { Icon } from "../shell/icon";
import { IconButton } from "../shell/icon-button";
import { Popover } from "../shell/popover";
import { askForModels, cancelDownload, chatModels, chooseModel, modelInUse, server } from "./models-of-server";

/** Which model answers. One that the server does not have yet is downloaded when it is chosen. */
export function ModelPicker(): VNode {
  const state = useObservable(server);
  const chosen = useObservable(settings, ({ model }) => model);
  const inUse = modelInUse(state, chosen);
  const name = inUse?.id ?? "No model";
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
      {() => <ModelList inUse={inUse} />}
    </Popover>
  );
}

function ModelList({ inUse }: { inUse: Model | undefined }): VNode {
  const state = useObservable(server);
  const group = useId();
  const models = chatModels(state);
  return (
    <fieldset class="models">
      <legend>Who answers</legend>
      {models.length === 0 && <p class="hint">None that chats.</p>}
      {models.map((model) => {
        const pull = state.pulls.get(model.id);
        const failure = state.pullFailures.get(model.id);
        return (
          <div class="model" key={model.id}>
            <label>
              <input type="radio" name={group} checked={model.id === inUse?.id} disabled={pull !== undefined} onChange={() => void chooseModel(model)} />
              <span class="model-name">{model.id}</span>
              <span class="model-status">{pull ? "downloading" : statusText[model.status]}</span>
            </label>
            {pull && <DownloadProgress model={model.id} progress={pull} />}
            {failure && (
              <p class="model-failure" role="alert">
                {failure}{" "}
                <button type="button" class="text-button" onClick={() => void chooseModel(model)}>
                  Try again
                </button>
              </p>
            )}
          </div>
        );
      })}
      <button type="button" class="text-button" onClick={() => void askForModels()}>
        Look again
      </button>
    </fieldset>
  );
}

const statusText: Readonly<Record<Model["status"], string>> = { loaded: "ready", available: "fetched when chosen", downloading: "downloading" };

function DownloadProgress({ model, progress: { loaded, total } }: { model: string; progress: PullProgress }): VNode {
  const share = total === undefined ? undefined : Math.min(1, loaded / total);
  return (
    <div class="download">
      <progress aria-label={`Downloading ${model}`} {...(share === undefined ? {} : { value: share })} max={1} />
      <span>{total === undefined ? megabytes(loaded) : `${megabytes(loaded)} of ${megabytes(total)}`}</span>
      <IconButton icon="close" label={`Cancel downloading ${model}`} onClick={() => cancelDownload(model)} />
    </div>
  );
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
