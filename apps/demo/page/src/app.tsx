import type { VNode } from "preact";
import { useCallback, useEffect, useLayoutEffect, useState } from "preact/hooks";
import { Composer } from "./chat/composer";
import { ConversationView } from "./chat/conversation-view";
import { addFiles } from "./chat/draft";
import { EmptyState } from "./chat/empty-state";
import { hasSiglip, server } from "./chat/models-of-server";
import { ServerBanner } from "./chat/server-banner";
import { conversationNamed, history, openId } from "./conversation/history";
import { Header } from "./header";
import { Sidebar } from "./list/sidebar";
import { useObservable } from "./observable";
import { DropTarget } from "./pictures/drop-target";
import { SettingsDialog } from "./settings/settings-dialog";
import { NoticeLine } from "./shell/notice-line";
import { tell } from "./shell/notices";
import { closeOverlays, panels, roomy, useMedia, wide } from "./shell/panels";
import { usePicturesInSight } from "./vision/pictures-in-sight";
import { VisionPanel } from "./vision/vision-panel";

export function App(): VNode {
  const { read } = useObservable(history);
  const id = useObservable(openId);
  const conversation = conversationNamed(id);
  const pictures = usePicturesInSight();
  const { list, view: viewWanted } = useObservable(panels);
  // Without a picture, or a model that looks at it, there is nothing to see.
  const viewable = useObservable(server, (state) => state.reach !== "ready" || hasSiglip(state)) && pictures.length > 0;
  const view = viewWanted && viewable;
  const [settingsOpen, setSettingsOpen] = useState(false);
  const listOver = !useMedia(roomy) && list;
  const viewOver = !useMedia(wide) && view;
  const covered = listOver || viewOver;

  const files = useCallback((dropped: readonly File[]) => void addFiles(dropped), []);
  const nothing = useCallback(() => tell({ kind: "failure", text: "Only pictures can be dropped here." }), []);
  useEffect(() => {
    document.title = conversation ? `${conversation.title} · Sightline` : "Sightline";
  }, [conversation?.title]);
  // Before the panel that opens takes the focus.
  useLayoutEffect(() => {
    if (!covered) return undefined;
    const before = document.activeElement;
    const escape = (event: KeyboardEvent): void => {
      // What is open above the panel is closed first, by the browser.
      if (event.key === "Escape" && !document.querySelector(":popover-open, dialog[open]")) closeOverlays();
    };
    window.addEventListener("keydown", escape);
    return () => {
      window.removeEventListener("keydown", escape);
      if (before instanceof HTMLElement) before.focus();
    };
  }, [covered]);

  return (
    <>
      <a
        class="skip"
        href="#question"
        onClick={(event) => {
          // The address says which conversation is open.
          event.preventDefault();
          document.querySelector<HTMLElement>("#question")?.focus();
        }}
      >
        Skip to the question
      </a>
      <div class="frame" data-list={list} data-view={view}>
        {list && <Sidebar overlay={listOver} onSettings={() => setSettingsOpen(true)} />}
        {covered && <div class="scrim" onClick={closeOverlays} />}
        <main inert={covered}>
          <Header conversation={conversation} list={list} view={viewable ? view : undefined} />
          <ServerBanner />
          {conversation ? <ConversationView conversation={conversation} /> : id !== undefined && read ? <Missing /> : id === undefined ? <EmptyState /> : <div class="log-frame" />}
          <Composer />
        </main>
        {view && <VisionPanel pictures={pictures} overlay={viewOver} />}
      </div>
      <NoticeLine />
      <DropTarget onFiles={files} onNothing={nothing} />
      {settingsOpen && <SettingsDialog onClose={() => setSettingsOpen(false)} />}
    </>
  );
}

function Missing(): VNode {
  return (
    <div class="empty">
      <h2>This conversation is not in this browser.</h2>
      <p class="lead">It was deleted, or begun in another one. Ask below to begin anew.</p>
    </div>
  );
}
