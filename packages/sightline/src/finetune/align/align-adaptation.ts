import { decoderLoraTargets, initialiseLora, seededHash, seededUniform, selectTrainable, type AdaptedParameterOptions, type ConversationModel, type LoraOptions, type ParameterSet, type ParameterSlot } from "@sightline/contrastive";
import type { AlignConfig } from "./align-settings.js";
import { frozenParameters, isDecoderParameter, isTowerParameter, type AlignModel } from "./align-model.js";

export interface AlignAdaptation {
  readonly adaptation: Omit<AdaptedParameterOptions, "frozen">;
  readonly lora?: LoraOptions;
}

/** What of a model is trained. Throws TrainingError when more blocks are asked for than there are, or an adapter makes no sense. */
export function alignAdaptation({ trains }: Pick<AlignConfig, "trains">, { towerLayers }: Pick<AlignModel, "towerLayers">): AlignAdaptation {
  const ofTower = selectTrainable({ image: trains.tower === false ? "none" : trains.tower, text: "none", layers: { image: towerLayers, text: 0 } });
  const isTrained = (name: string): boolean => (isDecoderParameter(name) ? trains.decoder === true : isTowerParameter(name) ? ofTower(name) : trains.projector);
  if (typeof trains.decoder !== "object") return { adaptation: { trains: isTrained } };
  const { rank, alpha, dropout, parts } = trains.decoder.lora;
  const lora: LoraOptions = { rank, dropout, targets: decoderLoraTargets(parts), ...(alpha === undefined ? {} : { alpha }) };
  return { adaptation: { trains: isTrained, lora }, lora };
}

/** Whether what the tower gives never changes, so that it can be kept. */
export function towerIsFrozen({ trains }: Pick<AlignConfig, "trains">): boolean {
  return trains.tower === false;
}

/**
 * The model as steps put it into graphs.
 * @param from what the rows of pictures are made from: `patch tokens`, or `pixels` where the tower is in the graph
 * @param adaptation which parameters of the tower are trained
 */
export function conversationModel(model: AlignModel, from: "features" | "pixels", { adaptation }: AlignAdaptation): ConversationModel {
  const { tower, projector, decoder, chat, images } = model;
  const grid = tower.trainedGrid;
  return {
    decoder: decoder.config,
    rowsPerView: projector.tokens(grid),
    imageAttention: images.family.nonCausal === true ? "both-ways" : "causal",
    pad: chat.info.eosToken?.id ?? 0,
    frozen: (graph) => frozenParameters(graph, model),
    rows(graph, views, parameter) {
      const tokens =
        from === "features"
          ? graph.input("patch tokens", "float32", [views, grid.rows * grid.columns, tower.width])
          : tower.build(graph, grid, { batch: views, adapt: (stored) => (name, shape) => (adaptation.trains?.(name) === true ? parameter : stored)(name, shape) });
      return projector.build(tokens, grid, parameter);
    },
  };
}

/** Fills parameters with the files' tensors; new projectors as PyTorch starts linear layers, adapters so that they change nothing. */
export async function fillAlignParameters(parameters: ParameterSet, model: AlignModel, seed: number): Promise<void> {
  for (const slot of parameters.slots) {
    const { name } = slot;
    if (/\.lora_[AB]\.weight$/.test(name)) continue;
    if (isDecoderParameter(name)) parameters.get(name).set(await model.decoderSource.readFloat32(model.decoder.rename(name)));
    else if (isTowerParameter(name)) parameters.get(name).set(await model.towerSource.readFloat32(model.tower.fileName(name)));
    else if (model.started) fillUniform(parameters.get(name), fanIn(slot, parameters), seed, name);
    else parameters.get(name).set(await model.towerSource.readFloat32(name));
  }
  const hash = seededHash(seed, "lora");
  let drawn = 0;
  initialiseLora(parameters, () => seededUniform(hash, drawn++));
}

/** Inputs of the layer that a matrix or bias belongs to. */
function fanIn({ name, shape }: ParameterSlot, parameters: ParameterSet): number {
  const matrix = parameters.slots.find((slot) => slot.name === name.replace(/\.bias$/, ".weight"));
  return (matrix?.shape ?? shape)[1] ?? 1;
}

function fillUniform(values: Float32Array, inputs: number, seed: number, name: string): void {
  const hash = seededHash(seed, "projector", name);
  const bound = 1 / Math.sqrt(inputs);
  for (let i = 0; i < values.length; i++) values[i] = bound * (2 * seededUniform(hash, i) - 1);
}
