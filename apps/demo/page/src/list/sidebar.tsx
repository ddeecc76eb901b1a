import type { VNode } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { history, open, openId } from "../conversation/history";
import { searchConversations } from "../conversation/search-conversations";
import { useObservable } from "../observable";
import { focusQuestion } from "../shell/focus";
import { ThemeToggle } from "../settings/theme-toggle";
import { Icon, Mark } from "../shell/icon";
import { IconButton } from "../shell/icon-button";
import { closeOverlays } from "../shell/panels";
import { ConversationRow } from "./conversation-row";
import { groupByAge } from "./group-by-age";

interface SidebarProps {
  /** Lies over the page, and closes again. */
  readonly overlay: boolean;
  readonly onSettings: () => void;
}

/** The conversations that this browser keeps. */
export function Sidebar({ overlay, onSettings }: SidebarProps): VNode {
  const { read, conversations } = useObservable(history);
  const openNow = useObservable(openId);
  const [query, setQuery] = useState("");
  const found = useMemo(() => searchConversations(conversations, query), [conversations, query]);
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (overlay) first.current?.focus();
  }, [overlay]);
  const begin = (): void => {
    open(undefined);
    closeOverlays();
    focusQuestion();
  };
  return (
    <nav class="sidebar" aria-label="Conversations">
      <header class="sidebar-head">
        <span class="brand">
          <Mark /> Sightline
        </span>
        {overlay && <IconButton icon="close" label="Close the list" onClick={closeOverlays} />}
      </header>
      <button ref={first} type="button" class="new-button" onClick={begin}>
        <Icon name="plus" /> New conversation
      </button>
      {conversations.length > 0 && (
        <label class="search">
          <Icon name="search" />
          <input type="search" aria-label="Search conversations" placeholder="Search" value={query} onInput={(event) => setQuery(event.currentTarget.value)} />
        </label>
      )}
      <div class="list" tabIndex={-1}>
        {!read && <ListWaiting />}
        {read && conversations.length === 0 && <p class="list-empty">What you ask is kept here, in this browser only.</p>}
        {conversations.length > 0 && found.length === 0 && <p class="list-empty">Nothing found for “{query}”.</p>}
        {groupByAge(found, Date.now()).map(({ name, conversations: group }) => (
          <section key={name} aria-label={name}>
            <h2>{name}</h2>
            <ul>
              {group.map((conversation) => (
                <ConversationRow key={conversation.id} conversation={conversation} current={conversation.id === openNow} />
              ))}
            </ul>
          </section>
        ))}
      </div>
      <p class="unseen" role="status">
        {query.trim() === "" ? "" : `${found.length} found`}
      </p>
      <footer class="sidebar-foot">
        <button type="button" class="foot-button" onClick={onSettings}>
          <Icon name="settings" /> Settings
        </button>
        <ThemeToggle />
      </footer>
    </nav>
  );
}

function ListWaiting(): VNode {
  return (
    <div class="list-waiting" role="status" aria-label="Reading conversations">
      <i />
      <i />
      <i />
    </div>
  );
}
