import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ModelPicker } from "./chat/model-picker";
import type { Conversation } from "./conversation/conversation";
import { ConversationMenu } from "./list/conversation-menu";
import { RenameField } from "./list/rename-field";
import { useReturnedFocus } from "./shell/focus";
import { IconButton } from "./shell/icon-button";
import { toggleList, toggleView } from "./shell/panels";

interface HeaderProps {
  readonly conversation: Conversation | undefined;
  /** Whether the list and SigLIP's view are open; the view is undefined while there is nothing to see. */
  readonly list: boolean;
  readonly view: boolean | undefined;
}

/** The open conversation's name and what can be done with it, the model, and the way to the list and SigLIP's view. */
export function Header({ conversation, list, view }: HeaderProps): VNode {
  const [renaming, setRenaming] = useState(false);
  const place = useReturnedFocus(renaming);
  useEffect(() => setRenaming(false), [conversation?.id]);
  return (
    <header ref={place} class="header">
      <IconButton icon="menu" label="Conversations" expanded={list} onClick={toggleList} />
      {conversation && renaming ? <RenameField conversation={conversation} onDone={() => setRenaming(false)} /> : <h1>{conversation?.title ?? "New conversation"}</h1>}
      {conversation && !renaming && <ConversationMenu conversation={conversation} onRename={() => setRenaming(true)} />}
      <span class="spring" />
      <ModelPicker />
      {view !== undefined && <IconButton icon="eye" label="SigLIP's view" expanded={view} onClick={() => toggleView(!view)} />}
    </header>
  );
}
