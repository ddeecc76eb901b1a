import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Question } from "../conversation/conversation";
import { focusQuestion } from "../shell/focus";
import { tellFailure } from "../shell/notices";
import { PictureTray } from "./picture-tray";
import { askAnew } from "./replies";

interface QuestionEditorProps {
  readonly question: Question;
  readonly conversation: string;
  readonly onDone: () => void;
}

/** A question in other words, or with fewer pictures. Sending it takes the place of all that came after. */
export function QuestionEditor({ question, conversation, onDone }: QuestionEditorProps): VNode {
  const [text, setText] = useState(question.text);
  const [pictures, setPictures] = useState(question.pictures);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(question.text.length, question.text.length);
  }, []);
  const empty = text.trim() === "" && pictures.length === 0;
  const send = (): void => {
    if (empty) return;
    onDone();
    focusQuestion();
    askAnew(conversation, question.id, text, pictures).catch(tellFailure);
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Escape") onDone();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      class="editor"
      aria-label="Edit the question"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <PictureTray pictures={pictures} onRemove={(id) => setPictures(pictures.filter((picture) => picture.id !== id))} />
      <textarea ref={field} rows={2} aria-label="The question" value={text} onInput={(event) => setText(event.currentTarget.value)} onKeyDown={keys} />
      <div class="editor-actions">
        <span class="hint">What came after it will be replaced.</span>
        <button type="button" class="button" onClick={onDone}>
          Cancel
        </button>
        <button type="submit" class="button primary" disabled={empty}>
          Send again
        </button>
      </div>
    </form>
  );
}
