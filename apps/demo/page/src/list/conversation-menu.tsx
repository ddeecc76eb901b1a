import type { VNode } from "preact";
import type { Conversation } from "../conversation/conversation";
import { exportJson, exportMarkdown, exportName } from "../conversation/export-conversation";
import { remove } from "../conversation/history";
import { stopAnswer } from "../chat/replies";
import { pictureData } from "../pictures/picture-bytes";
import { focusQuestion } from "../shell/focus";
import { Icon, type IconName } from "../shell/icon";
import { tellFailure } from "../shell/notices";
import { Popover } from "../shell/popover";
import { saveFile } from "../shell/save-file";

interface ConversationMenuProps {
  readonly conversation: Conversation;
  readonly onRename: () => void;
}

/** What can be done with a conversation. */
export function ConversationMenu({ conversation, onRename }: ConversationMenuProps): VNode {
  const entries: readonly { readonly icon: IconName; readonly label: string; readonly run: () => void | Promise<void> }[] = [
    { icon: "edit", label: "Rename", run: onRename },
    { icon: "download", label: "Export as Markdown", run: async () => saveFile(exportName(conversation, "md"), "text/markdown", await exportMarkdown(conversation, pictureData)) },
    { icon: "download", label: "Export as JSON", run: async () => saveFile(exportName(conversation, "json"), "application/json", await exportJson(conversation, pictureData)) },
    {
      icon: "trash",
      label: "Delete",
      run: async () => {
        stopAnswer(conversation.id);
        await remove(conversation.id);
        focusQuestion();
      },
    },
  ];
  return (
    <Popover label={`Options of ${conversation.title}`} triggerClass="icon-button" trigger={<Icon name="more" />}>
      {(close) => (
        <ul class="menu">
          {entries.map(({ icon, label, run }) => (
            <li key={label}>
              <button
                type="button"
                onClick={() => {
                  close();
                  Promise.resolve(run()).catch(tellFailure);
                }}
              >
                <Icon name={icon} /> {label}
              </button>
            </li>
          ))}
        </ul>
      )}
    </Popover>
  );
}
