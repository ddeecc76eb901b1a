import { observable, type Observable } from "../observable";
import { tell } from "../shell/notices";
import { ConversationStore } from "./conversation-store";
import { afterReload, type Conversation } from "./conversation";

export interface History {
  /** False until what the browser keeps has been read. */
  readonly read: boolean;
  /** The last changed first. */
  readonly conversations: readonly Conversation[];
}

/** All conversations, as they are shown; what changes here is written to the store. */
export const history: Observable<History> = observable<History>({ read: false, conversations: [] });

/** The conversation that is open; undefined: a new one. */
export const openId: Observable<string | undefined> = observable<string | undefined>(undefined);

export const store: Promise<ConversationStore | undefined> = ConversationStore.open().catch((cause: unknown) => {
  tell({ kind: "failure", text: `Conversations cannot be kept: ${cause instanceof Error ? cause.message : String(cause)}` });
  return undefined;
});

const otherTabs = new BroadcastChannel("sightline.history");

/**
 * Reads what the browser keeps, now and whenever another tab has changed it.
 * @param busy whether an answer of this conversation is being written here: then this tab knows better
 */
export async function followHistory(busy: (conversation: string) => boolean): Promise<void> {
  const opened = await store;
  const read = async (): Promise<void> => {
    const kept = (await opened?.list()) ?? [];
    const own = history.get().conversations.filter(({ id }) => busy(id) || !opened);
    const others = kept.filter(({ id }) => !own.some((one) => one.id === id));
    history.set({ read: true, conversations: [...own, ...(history.get().read ? others : others.map(afterReload))].sort((a, b) => b.updatedAt - a.updatedAt) });
  };
  await read();
  otherTabs.addEventListener("message", () => void read());
}

export function conversationNamed(id: string | undefined): Conversation | undefined {
  return history.get().conversations.find((conversation) => conversation.id === id);
}

/** Shows the conversation as it is now, first in the list, and has it written. */
export function keep(conversation: Conversation): void {
  show(conversation);
  void write(conversation).then(tellOtherTabs);
}

function tellOtherTabs(): void {
  otherTabs.postMessage("changed");
}

function show(conversation: Conversation): void {
  history.update(({ read, conversations }) => {
    const others = conversations.filter(({ id }) => id !== conversation.id);
    const at = others.findIndex(({ updatedAt }) => updatedAt <= conversation.updatedAt);
    return { read, conversations: at === -1 ? [...others, conversation] : others.toSpliced(at, 0, conversation) };
  });
}

/** Writes a conversation without showing it, as while its answer grows. */
export async function write(conversation: Conversation): Promise<void> {
  await attempt("kept", async (opened) => opened.save(conversation));
}

export async function writePicture(conversation: string, id: string, blob: Blob): Promise<void> {
  await attempt("kept", async (opened) => opened.savePicture(conversation, id, blob));
}

export async function dropLostPictures(conversation: Conversation): Promise<void> {
  await attempt("cleared", async (opened) => opened.dropLostPictures(conversation));
}

export function rename(id: string, title: string): void {
  const conversation = conversationNamed(id);
  const given = title.replace(/\s+/g, " ").trim();
  if (conversation && given !== "") keep({ ...conversation, title: given, named: true });
}

/** Removes a conversation; for a while it can be had back. */
export async function remove(id: string): Promise<void> {
  const conversation = conversationNamed(id);
  if (!conversation) return;
  history.update(({ read, conversations }) => ({ read, conversations: conversations.filter((one) => one.id !== id) }));
  if (openId.get() === id) open(undefined);
  const undo = await attempt("deleted", async (opened) => opened.remove(id));
  tellOtherTabs();
  const restore = (): void => {
    show(afterReload(conversation));
    void undo?.().then(tellOtherTabs);
    open(id);
  };
  tell({ kind: "done", text: `Deleted “${conversation.title}”.`, action: { label: "Undo", run: restore } });
}

async function attempt<T>(done: string, work: (opened: ConversationStore) => Promise<T>): Promise<T | undefined> {
  const opened = await store;
  try {
    return opened && (await work(opened));
  } catch (cause) {
    const why = cause instanceof DOMException && cause.name === "QuotaExceededError" ? "this browser's storage is full" : cause instanceof Error ? cause.message : String(cause);
    tell({ kind: "failure", text: `The conversation could not be ${done}: ${why}.` });
    return undefined;
  }
}

const route = /^#\/c\/([\w-]+)$/;

/** Opens a conversation, or a new one; the address says which, so that reloading and going back work. */
export function open(id: string | undefined): void {
  if (openId.get() === id) return;
  window.history.pushState(null, "", id === undefined ? "#/" : `#/c/${id}`);
  openId.set(id);
}

/** Keeps to the address, now and when it changes. */
export function followAddress(): void {
  const read = (): void => openId.set(route.exec(location.hash)?.[1]);
  read();
  window.addEventListener("popstate", read);
}
