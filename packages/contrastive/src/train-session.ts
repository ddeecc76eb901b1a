import { grad, openSession, type Graph, type Session, type SessionOptions, type Tensor, type TensorValue } from "@sightline/graph";
import { ParameterSet } from "./parameter-set.js";
import { TrainingError } from "./training-error.js";

/** A training graph: the loss, what it is trained on, and what else is worth reading at a step. */
export interface TrainingGraph {
  readonly graph: Graph;
  readonly loss: Tensor;
  /** Parameters to train, by name; their shapes must be known. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Further results of a step, by name. */
  readonly metrics?: Readonly<Record<string, Tensor>>;
}

/** What a step gave besides gradients. */
export interface StepResult {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, TensorValue>>;
}

/**
 * Forward and backward pass of a training graph on ONNX Runtime. Parameters go in and gradients come out as views of
 * flat buffers, so a step copies neither through JavaScript.
 */
export class TrainSession implements AsyncDisposable {
  readonly parameters: ParameterSet;
  /** float32, laid out like the parameters; holds the gradients of the last step. */
  readonly gradients: Float32Array;
  readonly #session: Session;
  readonly #into: Record<string, TensorValue>;
  readonly #metricNames: readonly string[];

  private constructor(session: Session, parameters: ParameterSet, metricNames: readonly string[]) {
    this.#session = session;
    this.parameters = parameters;
    this.gradients = new Float32Array(parameters.values.length);
    this.#metricNames = metricNames;
    this.#into = Object.fromEntries(Object.entries(parameters.feeds(this.gradients)).map(([name, value]) => [`grad ${name}`, value]));
  }

  /** Derives the backward pass and opens the session. */
  static async open({ graph, loss, parameters, metrics = {} }: TrainingGraph, options: SessionOptions = {}): Promise<TrainSession> {
    const shapes = new Map([...parameters].map(([name, tensor]) => [name, tensor.shape.map(Number)]));
    const gradients = grad(loss, [...parameters.values()]);
    graph.output("loss", loss);
    [...parameters.keys()].forEach((name, i) => graph.output(`grad ${name}`, gradients[i] as Tensor));
    for (const [name, tensor] of Object.entries(metrics)) graph.output(name, tensor);
    return new TrainSession(await openSession(graph, options), new ParameterSet(shapes), Object.keys(metrics));
  }

  /**
   * One forward and backward pass; the gradients are then in `gradients`.
   * @throws TrainingError when the loss is not a finite number
   */
  async step(batch: Readonly<Record<string, TensorValue>>): Promise<StepResult> {
    const results = await this.#session.run({ ...this.parameters.feeds(), ...batch }, this.#into);
    const loss = ((results["loss"] as TensorValue).data as Float32Array)[0] as number;
    if (!Number.isFinite(loss)) throw new TrainingError(`TrainSession.step: the loss is ${loss}`);
    return { loss, metrics: Object.fromEntries(this.#metricNames.map((name) => [name, results[name] as TensorValue])) };
  }

  /** Ends ONNX Runtime's profile, where `profilePrefix` asked for one, and writes its file. */
  endProfiling(): void {
    this.#session.endProfiling();
  }

  /** Closes the session, after a step under way. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]();
  }
}
