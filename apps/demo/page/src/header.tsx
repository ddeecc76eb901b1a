import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ModelPicker } from "./chat/model-picker";
import type { Conversation } from "./conversation/conversation";
import { ConversationMenu } from "./list/conversation-menu";
import { RenameField } from "./list/rename-field";
import { useObservable } from "./observable";
import { IconButton } from "./shell/icon-button";
import { panels, toggleList, toggleView } from "./shell/panels";

/** The open conversation's name and what can be done with it, the model, and the way to the list and SigLIP's view. */
export function Header({ conversation }: { conversation: Conversation | undefined }): VNode {
  const { list, view } = useObservable(panels);
  const [renaming, setRenaming] = useState(false);
  useEffect(() => setRenaming(false), [conversation?.id]);
  return (
    <header class="header">
      <IconButton icon="menu" label="Conversations" expanded={list} onClick={toggleList} />
      {conversation && renaming ? <RenameField conversation={conversation} onDone={() => setRenaming(false)} /> : <h1>{conversation?.title ?? "New conversation"}</h1>}
      {conversation && !renaming && <ConversationMenu conversation={conversation} onRename={() => setRenaming(true)} />}
      <span class="spring" />
      <ModelPicker />
      <IconButton icon="eye" label="SigLIP's view" expanded={view} onClick={() => toggleView()} />
    </header>
  );
}
