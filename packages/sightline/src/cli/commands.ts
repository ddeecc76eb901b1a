import type { Command } from "commander";
import { chatCommand } from "./chat-command.js";
import { convertCommand } from "./convert-command.js";
import { embedCommand } from "./embed-command.js";
import { finetuneCommand } from "./finetune-command.js";
import { heatmapCommand } from "./heatmap-command.js";
import { inspectCommand } from "./inspect-command.js";
import { searchCommand } from "./search-command.js";
import { tagCommand } from "./tag-command.js";

/** The commands that need the libraries that see and speak. */
export function modelCommands(): readonly Command[] {
  return [chatCommand(), tagCommand(), embedCommand(), searchCommand(), finetuneCommand(), heatmapCommand(), inspectCommand(), convertCommand()];
}
