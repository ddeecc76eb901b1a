import { stat } from "node:fs/promises";
import { anyresRows, packAnyresRows, projectorFromCheckpoint, projectorFromMmproj, type Projector } from "@sightline/projector";
import { checkpointTower, mmprojTower, type GridTower, type ImagePlan, type ImageView, type LayoutPart, type PanAndScan, type PatchGrid, type PreprocessingStyle, type Size } from "@sightline/vision-tower";
import { openWeights, type WeightSource } from "@sightline/weights";
import { imageFamilies } from "./image-families/families.js";
import type { ImageFamily, PlanRequest, Planner } from "./image-families/image-family.js";
import { joinRows } from "./join-rows.js";
import { SightlineError } from "./sightline-error.js";

/** How pictures are prepared, where the model allows more than one way. */
export interface ImageModelOptions {
  /** Whose way of preparing pictures; transformers', which models were trained with, when left out. */
  readonly preprocessing?: PreprocessingStyle;
  /** Gemma 3: crops of long pictures beside the whole one, always; `detail: "high"` asks for them picture by picture. */
  readonly panAndScan?: PanAndScan;
}

/** How one picture is shown to a model. */
export interface PicturePlan extends ImagePlan {
  /** The picture's own size. */
  readonly image: Size;
}

/** What stands in a prompt for a picture, in order. */
export type PicturePart =
  /** The model's own text around rows, to be tokenised with special tokens. */
  | { readonly type: "text"; readonly text: string }
  | {
      readonly type: "rows";
      /** float32[N, W] */
      readonly embeddings: Float32Array;
      /** N */
      readonly tokens: number;
      readonly attention: "causal" | "non-causal";
      /** How the rows lie in the picture, for decoders with multi-axis positions. */
      readonly grid?: PatchGrid;
    };

/** What is known of a tower without its weights. */
export type TowerFacts = Omit<GridTower, "build">;

/** Sizes whose plans have the most rows: large ones of every shape. */
const largePictures: readonly Size[] = [[4096, 4096], [4096, 2048], [2048, 4096], [6000, 1500], [1500, 6000], [640, 480], [480, 640]].map(([width, height]) => ({ width: width as number, height: height as number }));

/** Tower, projector and their way with pictures as the files describe them: plans and counts, before anything heavy is loaded. */
export class ImageModel {
  /** The mmproj GGUF or the Hugging Face directory. */
  readonly path: string;
  /** @internal What the tower takes; it cannot be built from here, since the file is closed. */
  readonly tower: TowerFacts;
  /** @internal */
  readonly projector: Projector;
  /** W, which the decoder reads. */
  readonly width: number;
  /** @internal */
  readonly family: ImageFamily;
  /** What a chat writes after a picture where the decoder's template does not know pictures. */
  readonly afterImage: string;
  readonly #planner: Planner;

  /** @internal Use `readImageModel`. */
  constructor(path: string, tower: TowerFacts, projector: Projector, family: ImageFamily, planner: Planner) {
    this.path = path;
    this.tower = tower;
    this.projector = projector;
    this.width = projector.outputWidth;
    this.family = family;
    this.afterImage = planner.afterImage ?? "";
    this.#planner = planner;
  }

  /**
   * How a picture of a size is shown: what the tower is given and what the decoder reads.
   * @throws RangeError for a picture without pixels
   */
  plan({ width, height }: Size, { detail = "auto", imageIndex = 0, imageCount = 1 }: PlanRequest = {}): PicturePlan {
    return { ...this.#planner.plan({ width, height }, { detail, imageIndex, imageCount }), image: { width, height } };
  }

  /** N, rows that the decoder reads of a planned picture; the text around them is not counted. */
  tokens(plan: PicturePlan): number {
    return plan.layout.reduce((sum, part) => sum + this.#rowsOf(plan, part), 0);
  }

  /** N of the pictures that have the most. */
  get mostTokens(): number {
    return Math.max(...largePictures.map((size) => this.tokens(this.plan(size, { detail: "high" }))));
  }

  /** The most rows of a picture that must be decoded in one piece; 0 where none must. */
  get mostTokensAtOnce(): number {
    const { nonCausal, prompt } = this.family;
    if (prompt === "prefix") return this.mostTokens;
    if (!nonCausal) return 0;
    return Math.max(...largePictures.flatMap((size) => {
      const plan = this.plan(size, { detail: "high" });
      return plan.layout.map((part) => this.#rowsOf(plan, part));
    }));
  }

  /** Rows of the tower's grid that a view has. */
  patches(plan: PicturePlan, view: number): PatchGrid {
    return this.tower.fixedGrid ? this.tower.trainedGrid : this.tower.gridOf(sizeOf(plan, plan.views[view] as ImageView));
  }

  /**
   * Puts the projected rows of a picture's views where its layout wants them.
   * @param views float32[N of the view, W] for each view
   * @param newline float32[W], where the layout joins tiles
   */
  parts(plan: PicturePlan, views: readonly Float32Array[], newline?: Float32Array): PicturePart[] {
    return plan.layout.map((part): PicturePart => {
      if (part.type === "text") return part;
      if (part.type === "view") return this.#rows(views[part.view] as Float32Array, this.patches(plan, part.view));
      if (!newline) throw new SightlineError("model-mismatch", `ImageModel.parts: ${this.path}: the plan joins tiles with newlines, but the file holds none`);
      if (part.type === "view-newline") return this.#rows(joinRows([views[part.view] as Float32Array, newline]), undefined);
      const tiles = views.slice(part.overview, part.overview + 1 + part.rows * part.columns);
      return this.#rows(packAnyresRows(joinRows(tiles), this.#anyres(plan, part), newline), undefined);
    });
  }

  /** N of each part that has rows, in order. */
  rowCounts(plan: PicturePlan): number[] {
    return plan.layout.flatMap((part) => (part.type === "text" ? [] : [this.#rowsOf(plan, part)]));
  }

  /**
   * The parts of a picture whose rows are known.
   * @param rows float32[N, W] for each part that has rows (`rowCounts`)
   */
  partsWithRows(plan: PicturePlan, rows: readonly Float32Array[]): PicturePart[] {
    let next = 0;
    return plan.layout.map((part) => (part.type === "text" ? part : this.#rows(rows[next++] as Float32Array, part.type === "view" ? this.patches(plan, part.view) : undefined)));
  }

  #rows(embeddings: Float32Array, patches: PatchGrid | undefined): PicturePart {
    const grid = patches && this.projector.rowGrid?.(patches);
    return { type: "rows", embeddings, tokens: embeddings.length / this.width, attention: this.family.nonCausal ? "non-causal" : "causal", ...(grid ? { grid } : {}) };
  }

  #rowsOf(plan: PicturePlan, part: LayoutPart): number {
    if (part.type === "text") return 0;
    if (part.type === "anyres") return this.#anyres(plan, part).rows;
    return this.projector.tokens(this.patches(plan, part.view)) + (part.type === "view-newline" ? 1 : 0);
  }

  #anyres(plan: PicturePlan, part: Extract<LayoutPart, { type: "anyres" }>): ReturnType<typeof anyresRows> {
    return anyresRows(plan.image, { rows: part.rows, columns: part.columns }, this.tower.trainedGrid.rows, this.#planner.maxTiles ?? 9);
  }
}

/** The size that the last step of a view leaves; a view without steps is the picture. */
function sizeOf({ image }: PicturePlan, view: ImageView): Size {
  return view.at(-1) ?? image;
}

/**
 * Reads the headers of an mmproj GGUF, or of a Hugging Face directory of a vision-language model.
 * @throws WeightsError, ConfigError or ProjectorError naming what does not fit; SightlineError for settings that make no sense
 */
export async function readImageModel(model: string, options: ImageModelOptions = {}): Promise<ImageModel> {
  await using source = await openWeights(model);
  return imageModelOf(model, source, await readImageParts(model, source), options);
}

/** @internal The same, of an open file. */
export function imageModelOf(model: string, source: Pick<WeightSource, "format" | "metadata">, { tower, projector, modelConfig, processorConfig }: ImageParts, { preprocessing: style = "huggingface", panAndScan }: ImageModelOptions = {}): ImageModel {
  const family = imageFamilies.find(({ type }) => type === projector.type);
  if (!family) throw new SightlineError("model-mismatch", `readImageModel: ${model}: no plan for pictures of the projector ${projector.type}; known: ${imageFamilies.map(({ type }) => type).join(", ")}`);
  const planner = namingFile("readImageModel", model, () => family.planner({
    side: tower.preprocessing.width,
    patchSize: tower.patchSize,
    preprocessing: tower.preprocessing,
    style,
    panAndScan,
    newline: projector.newline !== undefined,
    metadata: source.format === "gguf" ? source.metadata : new Map(),
    modelConfig,
    processorConfig,
  }));
  return new ImageModel(model, tower, projector, family, planner);
}

/**
 * @internal Does what depends on a file's numbers; an error that does not name the file, such as a grid that its own merging
 * does not divide, becomes one that does.
 */
export function namingFile<T>(caller: string, file: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof Error) || error.message.includes(file)) throw error;
    throw new SightlineError("model-mismatch", `${caller}: ${file}: ${error.message}`, { cause: error });
  }
}

/** @internal Tower and projector as an open file describes them, and a checkpoint's own settings. */
export interface ImageParts {
  readonly tower: GridTower;
  readonly projector: Projector;
  readonly modelConfig?: unknown;
  readonly processorConfig?: unknown;
}

/** @internal Reads them. */
export async function readImageParts(model: string, source: WeightSource): Promise<ImageParts> {
  if (!(await stat(model)).isDirectory()) return { tower: mmprojTower(source), projector: projectorFromMmproj(source) };
  const tower = await checkpointTower(model, source);
  return { tower, projector: projectorFromCheckpoint(source, tower.modelConfig), modelConfig: tower.modelConfig, processorConfig: tower.processorConfig };
}
