import type { InferenceSession } from "onnxruntime-node";
import { deviceFailure, type RunDevice } from "./devices.js";
import { GraphError } from "./graph-error.js";
import { ProfileFolder } from "./placement.js";
import type { SessionRunner } from "./session-runner.js";
import { firstLine, nativeOptions, openOnDevice, openRunner, Session, type SessionOptions, type TensorValue } from "./session.js";
import { formatShape, type Shape } from "./shape.js";
import type { Signature, ValueType } from "./signature.js";
import type { Dtype } from "./tensor.js";
import { conversionExists, convertValue, filledValue, type Float16Conversion } from "./value-conversion.js";

/** An input of a model file, as a caller feeds it. */
export interface FileInput extends ValueType {
  /** Its name in the file. */
  readonly name: string;
}

/** An output of a model file, as a caller gets it. */
export interface FileOutput extends ValueType {
  /** Its possible names in the file; the first that is there is taken. */
  readonly names: readonly string[];
}

/** A value that an input of a model file has at every run. */
export interface FilledInput {
  /** Dimensions; a symbolic one is what the fed inputs make it. */
  readonly shape: Shape;
  readonly value: number;
}

/** Which names of an ONNX file `openModelFile` gives to which names of `run`. */
export interface ModelFileOptions extends SessionOptions {
  /** By the names that `run` takes. */
  readonly inputs: Readonly<Record<string, FileInput>>;
  /** By the names that `run` gives. */
  readonly outputs: Readonly<Record<string, FileOutput>>;
  /** Inputs that nobody feeds, by their names in the file; a file may lack them. */
  readonly filled?: Readonly<Record<string, FilledInput>>;
  /** For files whose inputs or outputs are float16. */
  readonly float16: Float16Conversion;
}

/**
 * Opens an .onnx file that was made elsewhere, under the names, types and shapes of the caller: float16 of the file is
 * float32 outside, int32 is int64. Weights in files beside it are found by ONNX Runtime. What the file takes and gives is
 * checked before it runs, and the shapes of what it gave after each run.
 * @throws GraphError naming the file, what it was expected to take or give, and what it does; ONNX Runtime's reason when
 * it does not open
 */
export async function openModelFile(file: string, options: ModelFileOptions): Promise<Session> {
  return openOnDevice(options, async (device) => {
    const profile = options.placement ? await ProfileFolder.create() : undefined;
    let native: SessionRunner | undefined;
    try {
      native = await openRunner(file, nativeOptions(device, options, profile), device, options);
      return new ModelFileSession(native, file, device, options, profile);
    } catch (cause) {
      await native?.release();
      await profile?.remove();
      if (cause instanceof GraphError) throw cause;
      throw deviceFailure(device, cause) ?? new GraphError(`openModelFile: ${device} could not open ${file}: ${firstLine(cause)}`, { cause });
    }
  });
}

type NamedType = ValueType & { readonly name: string };

interface Mapped {
  readonly inFile: NamedType;
  readonly outside: ValueType;
}

class ModelFileSession extends Session {
  readonly #file: string;
  readonly #float16: Float16Conversion;
  readonly #inputs: ReadonlyMap<string, Mapped>;
  readonly #outputs: ReadonlyMap<string, Mapped>;
  readonly #filled: readonly { readonly inFile: NamedType; readonly fill: FilledInput }[];

  constructor(native: SessionRunner, file: string, device: RunDevice, options: ModelFileOptions, profile: ProfileFolder | undefined) {
    const takes = valueTypes(file, native.inputMetadata);
    const gives = valueTypes(file, native.outputMetadata);
    const inputs = new Map<string, Mapped>();
    for (const [outer, { name, ...outside }] of Object.entries(options.inputs)) {
      inputs.set(outer, mapped(file, "input", takes, [name], outside));
    }
    const outputs = new Map<string, Mapped>();
    for (const [outer, { names, ...outside }] of Object.entries(options.outputs)) {
      outputs.set(outer, mapped(file, "output", gives, names, outside));
    }
    const fed = new Set([...inputs.values()].map(({ inFile }) => inFile.name));
    const filled = [...takes.values()].filter(({ name }) => !fed.has(name)).map((inFile) => {
      const fill = options.filled?.[inFile.name];
      if (!fill) throw new GraphError(`openModelFile: ${file} takes the input "${inFile.name}", which nothing feeds; expected ${[...fed].join(", ")}`);
      return { inFile, fill };
    });
    const signature: Signature = {
      inputs: [...[...inputs.values()].map(({ inFile }) => inFile), ...filled.map(({ inFile }) => inFile)],
      outputs: [...new Map([...outputs.values()].map(({ inFile }) => [inFile.name, { name: inFile.name, tensor: inFile }])).values()],
    };
    super(native, signature, device, async () => {}, profile);
    this.#file = file;
    this.#float16 = options.float16;
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#filled = filled;
  }

  override async run(inputs: Readonly<Record<string, TensorValue>>, into: Readonly<Record<string, TensorValue>> = {}): Promise<Record<string, TensorValue>> {
    if (Object.keys(into).length > 0) throw new GraphError(`Session.run: a model file gives new values; expected no buffers to write to, got ${Object.keys(into).join(", ")}`);
    const feeds: Record<string, TensorValue> = {};
    const symbols = new Map<string, number>();
    for (const [name, value] of Object.entries(inputs)) {
      const known = this.#inputs.get(name);
      if (!known) throw new GraphError(`Session.run: there is no input "${name}"; expected ${[...this.#inputs.keys()].join(", ")}`);
      expectShape(this.#file, `input "${name}"`, known.outside, value, symbols);
      feeds[known.inFile.name] = convertValue(value, known.inFile.dtype, this.#float16);
    }
    for (const { inFile, fill } of this.#filled) {
      const shape = fill.shape.map((dim) => (typeof dim === "number" ? dim : (symbols.get(dim) ?? 1)));
      feeds[inFile.name] = filledValue(inFile.dtype, shape, fill.value, this.#float16);
    }
    const results = await super.run(feeds);
    const values: Record<string, TensorValue> = {};
    for (const [name, { inFile, outside }] of this.#outputs) {
      const value = results[inFile.name] as TensorValue;
      expectShape(this.#file, `output "${inFile.name}"`, { ...outside, dtype: value.dtype }, value, symbols);
      values[name] = convertValue(value, outside.dtype, this.#float16);
    }
    return values;
  }
}

const dtypes: ReadonlySet<string> = new Set<Dtype>(["float32", "float16", "int64", "int32", "int8", "uint8", "bool"]);

function valueTypes(file: string, metadata: readonly InferenceSession.ValueMetadata[]): ReadonlyMap<string, NamedType> {
  return new Map(
    metadata.map((value) => {
      if (!value.isTensor || !dtypes.has(value.type)) {
        throw new GraphError(`openModelFile: ${file}: "${value.name}" is ${value.isTensor ? `of type ${value.type}` : "no tensor"}; expected one of ${[...dtypes].join(", ")}`);
      }
      return [value.name, { name: value.name, dtype: value.type as Dtype, shape: value.shape.map((dim, i) => (dim === "" ? `${value.name}.${i}` : dim)) }];
    }),
  );
}

function mapped(file: string, kind: "input" | "output", there: ReadonlyMap<string, NamedType>, names: readonly string[], outside: ValueType): Mapped {
  const name = names.find((candidate) => there.has(candidate));
  const inFile = name === undefined ? undefined : there.get(name);
  if (!inFile) {
    const wanted = names.map((candidate) => `"${candidate}"`).join(" or ");
    throw new GraphError(`openModelFile: ${file} has no ${kind} ${wanted}; its ${kind}s are ${[...there.keys()].map((known) => `"${known}"`).join(", ") || "none"}`);
  }
  const problem = misfit(kind, inFile, outside);
  if (problem !== undefined) {
    throw new GraphError(`openModelFile: ${file}: ${kind} "${inFile.name}": expected ${outside.dtype}${formatShape(outside.shape)}, got ${inFile.dtype}${formatShape(inFile.shape)}${problem}`);
  }
  return { inFile, outside };
}

/** Why a value of the file is not the one expected; an empty text where its type says it. */
function misfit(kind: "input" | "output", inFile: ValueType, outside: ValueType): string | undefined {
  if (!conversionExists(inFile.dtype, outside.dtype)) return "";
  // Exporters often leave out the shapes of outputs.
  if (kind === "output" && inFile.shape.length === 0) return undefined;
  if (inFile.shape.length !== outside.shape.length) return "";
  const differs = outside.shape.some((dim, i) => typeof dim === "number" && typeof inFile.shape[i] === "number" && dim !== inFile.shape[i]);
  if (differs) return "";
  const fixed = kind === "input" && outside.shape.some((dim, i) => typeof dim === "string" && typeof inFile.shape[i] === "number");
  return fixed ? "; export it with a free batch" : undefined;
}

function expectShape(file: string, what: string, expected: ValueType, value: TensorValue, symbols: Map<string, number>): void {
  const fits =
    value.dtype === expected.dtype &&
    value.shape.length === expected.shape.length &&
    expected.shape.every((dim, i) => {
      const got = value.shape[i] as number;
      if (typeof dim === "number") return dim === got;
      if (!symbols.has(dim)) symbols.set(dim, got);
      return symbols.get(dim) === got;
    });
  if (!fits) throw new GraphError(`Session.run: ${file}: ${what}: expected ${expected.dtype}${formatShape(expected.shape)}, got ${value.dtype}${formatShape(value.shape)}`);
}
