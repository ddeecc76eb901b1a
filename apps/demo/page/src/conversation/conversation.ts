import type { Timings } from "../api/chat-completion";

/** A picture of a message. Its bytes lie beside the conversation, under its id. */
export interface Picture {
  readonly id: string;
  readonly name: string;
  /** Pixels, as it is sent. */
  readonly width: number;
  readonly height: number;
}

export interface Question {
  readonly role: "user";
  readonly id: string;
  readonly text: string;
  readonly pictures: readonly Picture[];
}

export interface Answer {
  readonly role: "assistant";
  readonly id: string;
  readonly model: string;
  readonly text: string;
  /** "writing" while it is generated; "cut" when it reached the length of the settings. */
  readonly state: "writing" | "complete" | "cut" | "stopped" | "failed";
  readonly failure?: string;
  readonly timings?: Timings;
}

export type Message = Question | Answer;

export interface Conversation {
  readonly id: string;
  readonly title: string;
  /** A name that a person gave is not replaced. */
  readonly named: boolean;
  /** ms since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly messages: readonly Message[];
  /** The first picture, tiny, as a data URL. */
  readonly thumbnail?: string | undefined;
}

export const newId = (): string => crypto.randomUUID();

export function newConversation(now: number): Conversation {
  return { id: newId(), title: "New conversation", named: false, createdAt: now, updatedAt: now, messages: [] };
}

export function newAnswer(model: string): Answer {
  return { role: "assistant", id: newId(), model, text: "", state: "writing" };
}

/** The conversation with these messages; its title follows its first question until a person names it. */
export function withMessages(conversation: Conversation, messages: readonly Message[], now: number): Conversation {
  return { ...conversation, messages, updatedAt: now, title: conversation.named ? conversation.title : titleOf(messages) };
}

/** The conversation with one answer replaced by what `change` makes of it; itself when the answer is gone. */
export function withAnswer(conversation: Conversation, id: string, change: (answer: Answer) => Answer, now: number): Conversation {
  if (!conversation.messages.some((message) => message.id === id)) return conversation;
  const messages = conversation.messages.map((message) => (message.id === id && message.role === "assistant" ? change(message) : message));
  return withMessages(conversation, messages, now);
}

/** The messages before one, which is to be asked or answered anew; all of them when it is not there. */
export function messagesBefore({ messages }: Conversation, id: string): readonly Message[] {
  const at = messages.findIndex((message) => message.id === id);
  return at === -1 ? messages : messages.slice(0, at);
}

export function picturesOf(messages: readonly Message[]): readonly Picture[] {
  return messages.flatMap((message) => (message.role === "user" ? message.pictures : []));
}

/** Asked of a picture that is sent without a word. */
export const stockQuestion = "What do you see?";

const titleLength = 48;

/** The first question; the first answer where the question is everybody's. */
function titleOf(messages: readonly Message[]): string {
  const said = messages.map((message) => message.text.replace(/\s+/g, " ").trim());
  const [question = "", answer = ""] = said;
  const title = question === stockQuestion && answer !== "" ? answer : question;
  if (title === "") return "New conversation";
  if (title.length <= titleLength) return title;
  const words = title.slice(0, titleLength + 1).replace(/\s+\S*$/, "");
  return `${words.slice(0, titleLength)}…`;
}

/** An answer that was being written when the page was closed was stopped by that. */
export function afterReload(conversation: Conversation): Conversation {
  const messages = conversation.messages.map((message): Message => (message.role === "assistant" && message.state === "writing" ? { ...message, state: "stopped" } : message));
  return { ...conversation, messages };
}
