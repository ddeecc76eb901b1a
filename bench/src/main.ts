import { Command } from "commander";
import { bulkBench } from "./bulk-bench.js";
import { chatBench } from "./chat-bench.js";
import { llamaServerBench } from "./llama-server-bench.js";
import { finetuneBench } from "./finetune-bench.js";
import { lossBench } from "./loss-bench.js";
import { mmprojCommand } from "./mmproj-command.js";
import { rivalsBench } from "./rivals-bench.js";
import { metricsBench } from "./metrics-bench.js";
import { mpiBench } from "./mpi-bench.js";
import { memoryBench } from "./memory-bench.js";
import { searchBench } from "./search-bench.js";
import { serveBench } from "./serve-bench.js";
import { throughputBench } from "./throughput-bench.js";
import { towerBench } from "./tower-bench.js";

await new Command("bench")
  .description("Measures speed against this machine's own limits in the same run, and prints one JSON object.")
  .addCommand(towerBench())
  .addCommand(chatBench())
  .addCommand(llamaServerBench())
  .addCommand(rivalsBench())
  .addCommand(finetuneBench())
  .addCommand(lossBench())
  .addCommand(mmprojCommand())
  .addCommand(throughputBench())
  .addCommand(serveBench())
  .addCommand(mpiBench())
  .addCommand(memoryBench())
  .addCommand(searchBench())
  .addCommand(metricsBench())
  .addCommand(bulkBench())
  .parseAsync();
