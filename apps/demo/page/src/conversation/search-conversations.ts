import type { Conversation } from "./conversation";

/** Conversations in which every word is found, in the title or in what was said, whatever its case and accents. */
export function searchConversations(conversations: readonly Conversation[], query: string): readonly Conversation[] {
  const words = plain(query).split(/\s+/).filter(Boolean);
  if (words.length === 0) return conversations;
  return conversations.filter((conversation) => {
    const text = plain([conversation.title, ...conversation.messages.map((message) => message.text)].join("\n"));
    return words.every((word) => text.includes(word));
  });
}

const plain = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
