import type { RequestMessage, RequestPart } from "../api/chat-completion";
import type { Message } from "./conversation";

export interface RequestSettings {
  readonly systemPrompt: string;
  readonly detail: "auto" | "low" | "high";
}

/** A conversation as the server takes it: pictures as data URLs before their question, answers that said nothing left out. */
export async function requestMessages(messages: readonly Message[], { systemPrompt, detail }: RequestSettings, pictureData: (id: string) => Promise<string>): Promise<readonly RequestMessage[]> {
  const system: RequestMessage[] = systemPrompt.trim() === "" ? [] : [{ role: "system", content: systemPrompt.trim() }];
  const turns = await Promise.all(
    messages.map(async (message): Promise<RequestMessage[]> => {
      if (message.role === "assistant") return message.text === "" ? [] : [{ role: "assistant", content: message.text }];
      const pictures = message.pictures.map(async ({ id }): Promise<RequestPart> => ({ type: "image_url", image_url: { url: await pictureData(id), detail } }));
      return [{ role: "user", content: [...(await Promise.all(pictures)), { type: "text", text: message.text }] }];
    }),
  );
  return [...system, ...turns.flat()];
}
