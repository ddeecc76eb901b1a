import type { Conversation } from "../conversation/conversation";

const dayMs = 24 * 60 * 60 * 1000;

/** Conversations, the last changed first, under the days that people think in. `now` in ms since 1970. */
export function groupByAge(conversations: readonly Conversation[], now: number): readonly { readonly name: string; readonly conversations: readonly Conversation[] }[] {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const nameOf = ({ updatedAt }: Conversation): string => (updatedAt >= midnight ? "Today" : updatedAt >= midnight - dayMs ? "Yesterday" : updatedAt >= midnight - 7 * dayMs ? "This week" : "Earlier");
  const groups: { name: string; conversations: Conversation[] }[] = [];
  for (const conversation of conversations) {
    const name = nameOf(conversation);
    const last = groups.at(-1);
    if (last?.name === name) last.conversations.push(conversation);
    else groups.push({ name, conversations: [conversation] });
  }
  return groups;
}
