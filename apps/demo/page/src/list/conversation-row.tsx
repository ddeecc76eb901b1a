import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { Conversation } from "../conversation/conversation";
import { open } from "../conversation/history";
import { useReturnedFocus } from "../shell/focus";
import { closeOverlays } from "../shell/panels";
import { ConversationMenu } from "./conversation-menu";
import { RenameField } from "./rename-field";

interface ConversationRowProps {
  readonly conversation: Conversation;
  readonly current: boolean;
}

export function ConversationRow({ conversation, current }: ConversationRowProps): VNode {
  const [renaming, setRenaming] = useState(false);
  const place = useReturnedFocus<HTMLLIElement>(renaming);
  const { id, title, thumbnail } = conversation;
  return (
    <li ref={place} class="row" data-current={current}>
      {thumbnail ? <img src={thumbnail} alt="" width={32} height={32} /> : <span class="row-blank" aria-hidden="true" />}
      {renaming ? (
        <RenameField conversation={conversation} onDone={() => setRenaming(false)} />
      ) : (
        <button
          type="button"
          class="row-title"
          aria-current={current ? "page" : undefined}
          onClick={() => {
            open(id);
            closeOverlays();
          }}
        >
          {title}
        </button>
      )}
      <ConversationMenu conversation={conversation} onRename={() => setRenaming(true)} />
    </li>
  );
}
