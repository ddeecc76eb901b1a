export { loadVisionChat, VisionChat, type ChatRequest, type LoadProgress, type VisionChatOptions } from "./chat/vision-chat.js";
export { ChatReply, type ChatPart, type ChatResult, type ChatTimings, type ChatUsage } from "./chat/chat-reply.js";
export type { ChatMessage, ImagePart, TextPart } from "./chat/messages.js";
export { findModelFiles, type ModelFiles } from "./models/model-files.js";
export { SightlineError, type SightlineErrorCode } from "./sightline-error.js";
export { loadSiglip, type Siglip } from "@sightline/vision-tower";
