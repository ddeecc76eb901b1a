import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Conversation } from "../conversation/conversation";
import { useObservable } from "../observable";
import { Icon } from "../shell/icon";
import { AnswerView } from "./answer-view";
import { QuestionView } from "./question-view";
import { underWay, writing } from "./replies";

const nearEndPixels = 80;

/** What was asked and answered. It keeps to its end while that is in sight, and leaves a reader who has scrolled up alone. */
export function ConversationView({ conversation }: { conversation: Conversation }): VNode {
  const log = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const stays = useRef(true);
  const busy = useObservable(underWay, (now) => now.has(conversation.id));
  const toEnd = (smooth: boolean): void => log.current?.scrollTo({ top: log.current.scrollHeight, behavior: smooth ? "smooth" : "instant" });

  useLayoutEffect(() => {
    stays.current = true;
    toEnd(false);
  }, [conversation.id, conversation.messages.length]);
  // Pictures that load and answers that grow push the end away.
  useEffect(() => {
    const content = log.current?.firstElementChild;
    if (!content) return undefined;
    const observer = new ResizeObserver(() => stays.current && toEnd(false));
    observer.observe(content);
    return () => observer.disconnect();
  }, []);
  const scrolled = (): void => {
    const { scrollHeight = 0, scrollTop = 0, clientHeight = 0 } = log.current ?? {};
    stays.current = scrollHeight - scrollTop - clientHeight < nearEndPixels;
    setAtEnd(stays.current);
  };
  const last = conversation.messages.at(-1)?.id;
  return (
    <div class="log-frame">
      <div ref={log} class="log" role="log" aria-label="Conversation" aria-live="polite" aria-busy={busy} tabIndex={0} onScroll={scrolled}>
        <div class="turns">
          {conversation.messages.map((message) =>
            message.role === "user" ? (
              <QuestionView key={message.id} question={message} conversation={conversation.id} />
            ) : (
              <AnswerView key={message.id} answer={message} conversation={conversation.id} last={message.id === last} />
            ),
          )}
        </div>
      </div>
      {!atEnd && (
        <button type="button" class="to-end" onClick={() => toEnd(!matchMedia("(prefers-reduced-motion: reduce)").matches)}>
          <Icon name="down" /> Latest
        </button>
      )}
      <Announcement />
    </div>
  );
}

/** Tells screen readers that an answer is being written; the log itself tells what it says once it is whole. */
function Announcement(): VNode {
  const count = useObservable(writing, (now) => now.size);
  return (
    <p class="unseen" role="status">
      {count > 0 ? "Writing an answer" : ""}
    </p>
  );
}
