import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import { picturesOf, type Conversation } from "./conversation";

interface Schema extends DBSchema {
  conversations: { key: string; value: Conversation; indexes: { updatedAt: number } };
  pictures: { key: string; value: { readonly id: string; readonly conversation: string; readonly blob: Blob }; indexes: { conversation: string } };
}

/** Conversations and their pictures in IndexedDB: in this browser and nowhere else. */
export class ConversationStore {
  readonly #database: IDBPDatabase<Schema>;

  private constructor(database: IDBPDatabase<Schema>) {
    this.#database = database;
  }

  static async open(name = "sightline"): Promise<ConversationStore> {
    const database = await openDB<Schema>(name, 1, {
      upgrade(created) {
        created.createObjectStore("conversations", { keyPath: "id" }).createIndex("updatedAt", "updatedAt");
        created.createObjectStore("pictures", { keyPath: "id" }).createIndex("conversation", "conversation");
      },
      // A newer page in another tab must not wait for this one.
      blocking: (_now, _wanted, event) => (event.target as IDBDatabase).close(),
    });
    return new ConversationStore(database);
  }

  /** All conversations, the last changed first. */
  async list(): Promise<Conversation[]> {
    const all = await this.#database.getAllFromIndex("conversations", "updatedAt");
    return all.reverse();
  }

  async save(conversation: Conversation): Promise<void> {
    await this.#database.put("conversations", conversation);
  }

  async savePicture(conversation: string, id: string, blob: Blob): Promise<void> {
    await this.#database.put("pictures", { id, conversation, blob });
  }

  async picture(id: string): Promise<Blob | undefined> {
    return (await this.#database.get("pictures", id))?.blob;
  }

  /** Removes a conversation with its pictures, all or nothing; what it gives puts it all back. */
  async remove(id: string): Promise<() => Promise<void>> {
    const transaction = this.#database.transaction(["conversations", "pictures"], "readwrite");
    const [conversations, pictures] = [transaction.objectStore("conversations"), transaction.objectStore("pictures")];
    const conversation = await conversations.get(id);
    const kept = await pictures.index("conversation").getAll(id);
    await Promise.all([conversations.delete(id), ...kept.map((picture) => pictures.delete(picture.id)), transaction.done]);
    return async () => {
      const back = this.#database.transaction(["conversations", "pictures"], "readwrite");
      const puts = kept.map((picture) => back.objectStore("pictures").put(picture));
      await Promise.all([...(conversation ? [back.objectStore("conversations").put(conversation)] : []), ...puts, back.done]);
    };
  }

  /** Removes pictures of a conversation that none of its messages shows any more, as after an edit. */
  async dropLostPictures(conversation: Conversation): Promise<void> {
    const shown = new Set(picturesOf(conversation.messages).map((picture) => picture.id));
    const transaction = this.#database.transaction("pictures", "readwrite");
    const ids = await transaction.store.index("conversation").getAllKeys(conversation.id);
    await Promise.all([...ids.filter((id) => !shown.has(id)).map((id) => transaction.store.delete(id)), transaction.done]);
  }

  close(): void {
    this.#database.close();
  }
}
