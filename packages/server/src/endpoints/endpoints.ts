import type { Endpoint } from "../endpoint.js";
import { chatCompletions } from "./chat-completions/chat-completions.js";
import { embeddings } from "./embeddings.js";
import { health, metrics } from "./health.js";
import { heatmap } from "./heatmap.js";
import { listModels, pullModel, retrieveModel } from "./models.js";
import { responses } from "./responses/responses.js";
import { tag } from "./tag.js";

/** All that the server answers, in the order in which paths are tried. */
export const endpoints: readonly Endpoint[] = [chatCompletions, responses, embeddings, tag, heatmap, listModels, pullModel, retrieveModel, health, metrics];
