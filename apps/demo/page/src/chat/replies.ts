import { streamChat } from "../api/chat-completion";
import { messagesBefore, newAnswer, newConversation, newId, picturesOf, stockQuestion, withAnswer, withMessages, type Answer, type Conversation, type Picture, type Question } from "../conversation/conversation";
import { conversationNamed, dropLostPictures, keep, open, openId, write, writePicture } from "../conversation/history";
import { requestMessages } from "../conversation/request-messages";
import { observable, type Observable } from "../observable";
import { pictureData, pictureBlob } from "../pictures/picture-bytes";
import { thumbnailOf } from "../pictures/prepare-picture";
import { settings } from "../settings/settings";
import { askForModels, chosenModel } from "./models-of-server";

/** What has been written of the answers under way, by their id. */
export const writing: Observable<ReadonlyMap<string, string>> = observable<ReadonlyMap<string, string>>(new Map());

/** Conversations whose answer is under way. */
export const underWay: Observable<ReadonlyMap<string, AbortController>> = observable<ReadonlyMap<string, AbortController>>(new Map());

/** Asks in the open conversation, or begins one. */
export async function ask(text: string, pictures: readonly Picture[]): Promise<void> {
  const conversation = conversationNamed(openId.get()) ?? newConversation(Date.now());
  const question: Question = { role: "user", id: newId(), text: text.trim() || stockQuestion, pictures };
  await put(conversation, [...conversation.messages, question]);
}

/** Asks a question again in other words, or without some of its pictures; what came after it goes. */
export async function askAnew(conversationId: string, questionId: string, text: string, pictures: readonly Picture[]): Promise<void> {
  const conversation = conversationNamed(conversationId);
  if (!conversation) return;
  stopAnswer(conversationId);
  const question: Question = { role: "user", id: newId(), text: text.trim() || stockQuestion, pictures };
  await put(conversation, [...messagesBefore(conversation, questionId), question]);
}

/** Has a question answered again; the answer that is there, and what came after it, go. */
export async function answerAgain(conversationId: string, answerId: string): Promise<void> {
  const conversation = conversationNamed(conversationId);
  if (!conversation) return;
  stopAnswer(conversationId);
  await put(conversation, messagesBefore(conversation, answerId));
}

export function stopAnswer(conversationId: string): void {
  underWay.get().get(conversationId)?.abort();
}

async function put(conversation: Conversation, messages: Conversation["messages"]): Promise<void> {
  const model = chosenModel()?.id ?? "";
  const answer = newAnswer(model);
  const next = withMessages(conversation, [...messages, answer], Date.now());
  keep(next);
  open(next.id);
  void keepPictures(next);
  await generate(next.id, answer.id, messages, model);
}

/** Pictures go to the store once they are part of a conversation; its first one becomes its thumbnail. */
async function keepPictures({ id, messages, thumbnail: before }: Conversation): Promise<void> {
  const asked = messages.findLast((message) => message.role === "user");
  for (const picture of asked?.pictures ?? []) {
    const blob = await pictureBlob(picture.id);
    if (blob) await writePicture(id, picture.id, blob);
  }
  const kept = conversationNamed(id);
  if (kept) await dropLostPictures(kept);
  if (before !== undefined && asked !== messages[0]) return;
  const [first] = picturesOf(messages);
  const blob = first && (await pictureBlob(first.id));
  const thumbnail = blob && (await thumbnailOf(blob).catch(() => undefined));
  const now = conversationNamed(id);
  if (now && now.thumbnail !== thumbnail) keep({ ...now, thumbnail });
}

async function generate(conversationId: string, answerId: string, messages: Conversation["messages"], model: string): Promise<void> {
  const controller = new AbortController();
  underWay.update((now) => new Map(now).set(conversationId, controller));
  const grown = new GrowingText(conversationId, answerId);
  const finish = (change: Partial<Answer>): void => {
    grown.end();
    const now = conversationNamed(conversationId);
    if (now) keep(withAnswer(now, answerId, (answer) => ({ ...answer, text: grown.text, ...change }), Date.now()));
  };
  try {
    const { temperature, maxTokens, systemPrompt, detail } = settings.get();
    const request = { model, temperature, max_tokens: maxTokens, messages: await requestMessages(messages, { systemPrompt, detail }, dataOfPicture) };
    for await (const event of streamChat(request, controller.signal)) {
      if (event.type === "text") grown.add(event.text);
      else finish({ state: event.finishReason === "length" ? "cut" : "complete", timings: event.timings });
    }
  } catch (error) {
    if (controller.signal.aborted) finish({ state: "stopped" });
    else {
      finish({ state: "failed", failure: error instanceof Error ? error.message : String(error) });
      void askForModels();
    }
  } finally {
    underWay.update((now) => new Map([...now].filter(([, one]) => one !== controller)));
  }
}

async function dataOfPicture(id: string): Promise<string> {
  const data = await pictureData(id);
  if (data === undefined) throw new Error("A picture of this conversation is no longer in this browser. Edit the question and add it again.");
  return data;
}

const writeEveryMs = 1000;

/** Text that grows: shown once a frame however fast it comes, and written now and then, so that a closed page loses little. */
class GrowingText {
  text = "";
  readonly #conversation: string;
  readonly #answer: string;
  #frame: number | undefined;
  #written = performance.now();

  constructor(conversation: string, answer: string) {
    this.#conversation = conversation;
    this.#answer = answer;
    writing.update((now) => new Map(now).set(answer, ""));
  }

  add(text: string): void {
    this.text += text;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      writing.update((now) => new Map(now).set(this.#answer, this.text));
    });
    if (performance.now() - this.#written > writeEveryMs) this.#write();
  }

  end(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    writing.update((now) => {
      const rest = new Map(now);
      rest.delete(this.#answer);
      return rest;
    });
  }

  #write(): void {
    this.#written = performance.now();
    const now = conversationNamed(this.#conversation);
    if (now) void write(withAnswer(now, this.#answer, (answer) => ({ ...answer, text: this.text }), now.updatedAt));
  }
}
