import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Conversation } from "../conversation/conversation";
import { rename } from "../conversation/history";

interface RenameFieldProps {
  readonly conversation: Conversation;
  readonly onDone: () => void;
}

/** Enter or leaving the field gives the name, Escape keeps the old one. */
export function RenameField({ conversation, onDone }: RenameFieldProps): VNode {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Enter") field.current?.blur();
    if (event.key !== "Escape") return;
    event.stopPropagation();
    if (field.current) field.current.value = conversation.title;
    onDone();
  };
  const give = (): void => {
    rename(conversation.id, field.current?.value ?? "");
    onDone();
  };
  return <input ref={field} class="rename" aria-label="Name of the conversation" defaultValue={conversation.title} maxLength={120} onKeyDown={keys} onBlur={give} />;
}
