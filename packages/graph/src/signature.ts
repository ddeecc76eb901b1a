import type { Dtype } from "./tensor.js";
import type { Shape } from "./shape.js";

/** Dtype and shape of a value, before it is there. */
export interface ValueType {
  readonly dtype: Dtype;
  readonly shape: Shape;
}

/** What a session takes and gives; a Graph has one. */
export interface Signature {
  readonly inputs: readonly (ValueType & { readonly name: string })[];
  readonly outputs: readonly { readonly name: string; readonly tensor: ValueType }[];
}
