import { stat } from "node:fs/promises";
import type { PulledModel, PullEvent, PullOptions } from "@sightline/hub";
import { byteText } from "@sightline/hub/cached";
import { duration, progressLine, type ProgressLine } from "./progress-line.js";

const bytesOfMegabyte = 1e6;
/** Files that are compared with their hashes are worth a line when that takes a while. */
const largeBytes = 5e8;

/** Pulls a model and tells on stderr how it goes. */
export async function pullWithProgress(model: string, options: PullOptions): Promise<PulledModel> {
  // Commands that pull nothing need not wait for what speaks to the hub.
  const { pullModel } = await import("@sightline/hub");
  return withPullProgress(model, (onProgress) => pullModel(model, { ...options, onProgress }));
}

/**
 * Tells on stderr how a pull goes.
 * @param model what it is called there
 */
export async function withPullProgress(model: string, pull: (onProgress: (event: PullEvent) => void) => Promise<PulledModel>): Promise<PulledModel> {
  let line: ProgressLine | undefined;
  const say = (text: string): void => {
    line?.stop();
    line = undefined;
    process.stderr.write(`${text}\n`);
  };
  const tell = (event: PullEvent): void => {
    if (event.type === "progress") {
      const { receivedBytes, missingBytes, bytesPerSecond } = event;
      if (missingBytes === 0) return;
      line ??= progressLine("MB");
      line.update({ share: receivedBytes / missingBytes, done: Math.floor(receivedBytes / bytesOfMegabyte), skipped: 0, perSecond: bytesPerSecond / bytesOfMegabyte });
      return;
    }
    const text = textOf(event, model);
    if (text !== undefined) say(text);
  };
  try {
    return await pull(tell);
  } finally {
    line?.stop();
  }
}

/** For `--pull`: pulls what is a name, and leaves paths and the embedded model alone. */
export async function pullIfNamed(model: string, signal: AbortSignal): Promise<void> {
  const isPath = await stat(model).then(
    () => true,
    () => false,
  );
  if (model === "mini" || isPath) return;
  await pullWithProgress(model, { signal });
}

function textOf(event: Exclude<PullEvent, { readonly type: "progress" }>, model: string): string | undefined {
  switch (event.type) {
    case "resolved": {
      const moved = event.repositories.flatMap(({ repository, revision, commit, previousCommit }) => (previousCommit === undefined ? [] : [`${repository}: ${revision} is now ${commit.slice(0, 12)}, it was ${previousCommit.slice(0, 12)}`]));
      const missing = event.missingBytes === 0 ? "all of it is here" : `${byteText(event.missingBytes)} to download`;
      return [...moved, `${model}: ${event.files} ${event.files === 1 ? "file" : "files"}, ${byteText(event.totalBytes)}; ${missing}`].join("\n");
    }
    case "waiting":
      return `process ${event.pid} on ${event.host} is pulling ${event.repository}; waiting for it`;
    case "retry":
      return `${event.reason}; trying again in ${event.waitMs < 1000 ? "a moment" : duration(event.waitMs / 1000)}`;
    case "repair":
      return `${event.path} is fetched again: ${event.reason}`;
    case "check":
      return event.bytes < largeBytes ? undefined : `comparing ${event.path} with its hash`;
    case "file":
      return undefined;
  }
}
