import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { Question } from "../conversation/conversation";
import { useObservable } from "../observable";
import { StoredPicture } from "../pictures/stored-picture";
import { Icon } from "../shell/icon";
import { lookAt, lookedAt } from "../vision/looked-at";
import { useReturnedFocus } from "../shell/focus";
import { toggleView } from "../shell/panels";
import { QuestionEditor } from "./question-editor";

interface QuestionViewProps {
  readonly question: Question;
  readonly conversation: string;
}

/** A question with its pictures. A picture can be chosen for SigLIP's view, the question edited and asked again. */
export function QuestionView({ question, conversation }: QuestionViewProps): VNode {
  const [editing, setEditing] = useState(false);
  const place = useReturnedFocus(editing);
  const looked = useObservable(lookedAt);
  const { pictures, text } = question;
  if (editing) return <QuestionEditor question={question} conversation={conversation} onDone={() => setEditing(false)} />;
  return (
    <article ref={place} class="question" aria-label="Question">
      {pictures.length > 0 && (
        <ul class={pictures.length === 1 ? "plates single" : "plates"}>
          {pictures.map((picture) => (
            <li key={picture.id}>
              <button
                type="button"
                class="plate"
                aria-label={`Look closer at ${picture.name}`}
                aria-pressed={looked === picture.id}
                onClick={() => {
                  lookAt(picture.id);
                  toggleView(true);
                }}
              >
                <StoredPicture picture={picture} alt={picture.name} />
              </button>
            </li>
          ))}
        </ul>
      )}
      <div class="question-line">
        <p class="question-text" dir="auto">{text}</p>
        <button type="button" class="quiet-button" data-returns onClick={() => setEditing(true)}>
          <Icon name="edit" /> Edit
        </button>
      </div>
    </article>
  );
}
