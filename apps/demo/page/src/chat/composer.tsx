import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { stockQuestion } from "../conversation/conversation";
import { openId } from "../conversation/history";
import { useObservable } from "../observable";
import { CameraDialog } from "../pictures/camera-dialog";
import { IconButton } from "../shell/icon-button";
import { focusQuestion } from "../shell/focus";
import { tellFailure } from "../shell/notices";
import { addFiles, draft, emptyDraft, removePicture } from "./draft";
import { PictureTray } from "./picture-tray";
import { ask, stopAnswer, underWay } from "./replies";
import { modelInUse, server } from "./models-of-server";
import { settings } from "../settings/settings";

/** Where questions are written. Enter sends, Shift+Enter begins a line, Escape stops the answer. */
export function Composer(): VNode {
  const { text, pictures, preparing, problem } = useObservable(draft);
  const conversation = useObservable(openId);
  const busy = useObservable(underWay, (now) => conversation !== undefined && now.has(conversation));
  const chosen = useObservable(settings, ({ model }) => model);
  const ready = useObservable(server, (state) => state.reach === "ready" && modelInUse(state, chosen) !== undefined);
  const field = useRef<HTMLTextAreaElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const phone = useRef<HTMLInputElement>(null);
  const [camera, setCamera] = useState(false);
  const empty = text.trim() === "" && pictures.length === 0;

  useEffect(() => grow(field.current), [text]);
  useEffect(focusQuestion, [conversation]);

  const send = (): void => {
    if (busy || empty || preparing > 0 || !ready) return;
    draft.set(emptyDraft);
    focusQuestion();
    ask(text, pictures).catch(tellFailure);
  };
  const stop = (): void => {
    if (conversation) stopAnswer(conversation);
    focusQuestion();
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && busy) stop();
    // While an input method composes, Enter takes its suggestion.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  const take = (input: HTMLInputElement | null): void => {
    void addFiles([...(input?.files ?? [])]);
    if (input) input.value = "";
    focusQuestion();
  };
  const takeOut = (id: string): void => {
    removePicture(id);
    focusQuestion();
  };
  const photograph = (): void => (matchMedia("(pointer: coarse)").matches ? phone.current?.click() : setCamera(true));

  return (
    <form
      class="composer"
      aria-label="Ask"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <PictureTray pictures={pictures} preparing={preparing} onRemove={takeOut} />
      {problem && (
        <p class="composer-problem" role="alert">
          {problem}
        </p>
      )}
      <div class="composer-row">
        <IconButton icon="picture" label="Add pictures" onClick={() => files.current?.click()} />
        <IconButton icon="camera" label="Take a picture" onClick={photograph} />
        <textarea
          ref={field}
          id="question"
          rows={1}
          dir="auto"
          aria-label="Your question"
          placeholder={pictures.length > 0 ? stockQuestion : "Ask about a picture"}
          value={text}
          onInput={(event) => draft.update((now) => ({ ...now, text: event.currentTarget.value }))}
          onKeyDown={keys}
        />
        {busy && conversation ? (
          <IconButton icon="stop" label="Stop" class="send" onClick={stop} />
        ) : (
          <IconButton icon="send" label="Send" class="send" type="submit" disabled={empty || preparing > 0 || !ready} />
        )}
      </div>
      <input ref={files} class="hidden" type="file" accept="image/*" multiple tabIndex={-1} aria-label="Picture files" onChange={() => take(files.current)} />
      <input ref={phone} class="hidden" type="file" accept="image/*" capture="environment" tabIndex={-1} aria-label="Picture from the camera" onChange={() => take(phone.current)} />
      {camera && <CameraDialog onPicture={(file) => void addFiles([file])} onClose={() => setCamera(false)} />}
    </form>
  );
}

/** As tall as what is in it; the stylesheet says how tall at most. */
function grow(field: HTMLTextAreaElement | null): void {
  if (!field) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
