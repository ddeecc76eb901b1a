import type { VNode } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Answer } from "../conversation/conversation";
import { renderMarkdown } from "../markdown/render-markdown";
import { useObservable } from "../observable";
import { settings } from "../settings/settings";
import { Icon } from "../shell/icon";
import { focusQuestion } from "../shell/focus";
import { tellFailure } from "../shell/notices";
import { answerAgain, writing } from "./replies";
import { timingLine } from "./timing-line";

interface AnswerViewProps {
  readonly answer: Answer;
  readonly conversation: string;
  /** Only the last answer can be had again without losing others. */
  readonly last: boolean;
}

/** An answer, as it grows and when it is whole. */
export function AnswerView({ answer, conversation, last }: AnswerViewProps): VNode {
  const growing = useObservable(writing, (now) => now.get(answer.id));
  const text = growing ?? answer.text;
  const html = useMemo(() => renderMarkdown(text), [text]);
  const steady = useObservable(settings, ({ temperature }) => temperature === 0);
  const again = (): void => {
    focusQuestion();
    answerAgain(conversation, answer.id).catch(tellFailure);
  };
  if (growing !== undefined || answer.state === "writing") {
    return (
      <article class="answer writing" aria-label="Answer">
        {text === "" ? <p class="waiting">Looking…</p> : <div class="prose" dir="auto" dangerouslySetInnerHTML={{ __html: html }} />}
      </article>
    );
  }
  return (
    <article class={`answer ${answer.state}`} aria-label="Answer">
      {text !== "" && <div class="prose" dir="auto" dangerouslySetInnerHTML={{ __html: html }} />}
      {answer.state === "failed" && (
        <div class="failure" role="alert">
          <Icon name="warning" />
          <p>{answer.failure}</p>
          {last && (
            <button type="button" class="button" onClick={again}>
              Try again
            </button>
          )}
        </div>
      )}
      {answer.state === "stopped" && <p class="aside">{text === "" ? "Stopped before the first word." : "Stopped here."}</p>}
      {answer.state === "cut" && <p class="aside">Cut at the length that the settings allow.</p>}
      {answer.state === "complete" && text === "" && <p class="aside">The model said nothing.</p>}
      {(answer.state !== "failed" || text !== "") && (
        <footer class="answer-foot">
          <p class="figures">{timingLine(answer)}</p>
          {text !== "" && <CopyButton text={text} />}
          {last && answer.state !== "failed" && (
            <button type="button" class="quiet-button" title={steady ? "At temperature 0 it will be the same; the settings let it vary" : undefined} onClick={again}>
              <Icon name="again" /> Answer again
            </button>
          )}
        </footer>
      )}
    </article>
  );
}

const copiedMs = 1600;

function CopyButton({ text }: { text: string }): VNode {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), copiedMs);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (): void => {
    // Only https and this machine itself have a clipboard.
    if (!navigator.clipboard) tellFailure(new Error("This browser gives no clipboard to a page over plain http."));
    else void navigator.clipboard.writeText(text).then(() => setCopied(true), () => tellFailure(new Error("The browser did not allow copying.")));
  };
  return (
    <button type="button" class="quiet-button" onClick={copy}>
      <Icon name={copied ? "check" : "copy"} /> {copied ? "Copied" : "Copy"}
    </button>
  );
}
