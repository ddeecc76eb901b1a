import { zeroTerminated, type Llama, type Pointer } from "./native-bindings.js";

/** A value of a loaded model's metadata as a string, or undefined. */
export function modelMetadata(llama: Llama, model: Pointer, key: string): string | undefined {
  const name = zeroTerminated(key);
  let out = new Uint8Array(1024);
  const length = llama.model_meta_val_str(model, name, out, out.length);
  if (length < 0) return undefined;
  if (length >= out.length) {
    out = new Uint8Array(length + 1);
    llama.model_meta_val_str(model, name, out, out.length);
  }
  return new TextDecoder().decode(out.subarray(0, length));
}
