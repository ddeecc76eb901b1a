import type { VNode } from "preact";
import { useObservable } from "../observable";
import { Icon } from "../shell/icon";
import { askForModels, chatModels, server } from "./models-of-server";

/** Says what stands between the reader and an answer, while something does. */
export function ServerBanner(): VNode {
  const { reach, problem, models, pulls, pullFailures } = useObservable(server);
  const text =
    reach === "unreachable" ? "The server does not answer. Start it again with npm start; what you wrote is kept."
    : reach === "starting" ? "The model is loading. It answers in a moment."
    : reach === "failing" ? (problem ?? "The server fails.")
    : reach === "ready" && chatModels({ models, pulls, pullFailures, reach }).length === 0 ? "This server has no model that chats."
    : undefined;
  return (
    <div role="status">
      {text && (
        <div class={`banner ${reach}`}>
          {reach === "starting" ? <span class="spinner" aria-hidden="true" /> : <Icon name="warning" />}
          <p>{text}</p>
          {reach !== "starting" && (
            <button type="button" class="text-button" onClick={() => void askForModels()}>
              Try now
            </button>
          )}
        </div>
      )}
    </div>
  );
}
