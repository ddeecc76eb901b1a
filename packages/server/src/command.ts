import { Command, Option } from "commander";
import { exitCodes, numberBetween, UsageError, wholeNumber } from "sightline/cli";
import { serverOptions, type ServeCommandOptions } from "./serve-options.js";
import { startServer } from "./start-server.js";

/** `sightline serve`: models over HTTP. */
export function command(): Command {
  return new Command("serve")
    .description("Serve models over HTTP, as OpenAI's API does.")
    .option("--model <[name=]path...>", '"mini", or a folder with a decoder\'s .gguf and mmproj*.gguf or a Hugging Face checkpoint; loaded when it is first asked for, the first one at once ("mini" without any)')
    .option("--siglip <[name=]path...>", "a folder with a SigLIP checkpoint, for embeddings, tags and heatmaps (mini's without any --model)")
    .option("--host <address>", "where to listen; 0.0.0.0 is every network that this machine is in", "127.0.0.1")
    .option("--port <n>", "0: any that is free", wholeNumber(0), 8080)
    .option("--static <folder>", 'a built web page to serve at "/"')
    .optionsGroup("Who may ask:")
    .option("--api-keys <file>", "keys, one a line, of which requests must bring one as Authorization: Bearer")
    .option("--cors-origin <origin...>", 'origins whose pages may use the server; "*" is every page')
    .option("--allow-host <name...>", "more names by which this machine is reached while it listens on a loopback address")
    .option("--allow-pull", "clients may have the models of `sightline list` fetched into the Hugging Face cache (POST /v1/models/pull)")
    .optionsGroup("Images:")
    .option("--media-root <folder>", "the only folder of which requests may name files")
    .option("--allow-image-host <host...>", '"example.com" or "*.example.com": images may be fetched from there over https')
    .option("--local-image-host <host:port...>", "a server of your own: http and private addresses are allowed for it")
    .option("--embedding-store <folder>", "keep the rows of pictures there from run to run")
    .optionsGroup("The models:")
    .option("--conversations <n>", "answers generated together, each model; others wait (4)", wholeNumber(1))
    .option("--context <tokens>", "what a conversation may hold, images included", wholeNumber(1))
    .option("--threads <n>", "of tower and decoder", wholeNumber(1))
    .addOption(new Option("--device <name>", "where the towers run").choices(["cpu", "webgpu", "cuda", "tensorrt"]))
    .addOption(new Option("--precision <name>", "of the towers; auto: int8 where it is faster and agrees with float32").choices(["float32", "int8", "auto"]))
    .option("--gpu-layers <n|auto>", "layers of the decoder on a GPU", (text) => (text === "auto" ? text : wholeNumber(0)(text)))
    .option("--idle-unload <seconds>", "unload a model that nobody has used for so long", numberBetween(1, 1e9))
    .optionsGroup("Limits:")
    .option("--waiting <n>", "requests that wait for a model; others are answered 429 (64)", wholeNumber(0))
    .option("--max-tokens <n>", "of an answer, whatever is asked (4096)", wholeNumber(1))
    .option("--seconds <n>", "from a request's arrival until its answer is cut short (300)", numberBetween(0.001, 86_400))
    .option("--body-mb <n>", "of a request's body (32)", wholeNumber(1))
    .addOption(new Option("--log <level>", "structured lines on standard error").choices(["silent", "error", "warn", "info", "debug"]).default("info"))
    .action(serve);
}

async function serve(asked: ServeCommandOptions): Promise<void> {
  const options = await serverOptions(asked);
  const stopped = untilStopped();
  await using server = await startServer(options).catch((error: unknown) => {
    // An option that is out of its range is a wrong usage.
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  });
  process.stdout.write(`sightline: listening at ${server.url}, the API at ${server.url}/v1${asked.static === undefined ? "" : ", the page at /"}\n`);
  // A first model that cannot be loaded ends the command.
  await Promise.race([server.ready, stopped]);
  if ((await stopped) === "SIGINT") process.exitCode = exitCodes.interrupted;
}

/** The first signal lets answers under way end; a second one leaves at once. */
function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(exitCodes.interrupted);
        stopping = true;
        resolve(signal);
      });
    }
  });
}
