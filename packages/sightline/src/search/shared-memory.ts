/** What is used of WebAssembly, whose types come with a browser's and not with Node's. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: { readonly env: { readonly memory: object } }) => { readonly exports: unknown };
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number; readonly shared: true }) => { readonly buffer: SharedArrayBuffer };
};

/** Memory that threads share: WebAssembly's, which its code can read, or where there is none a buffer alone. */
export type SharedMemory = { readonly buffer: SharedArrayBuffer } | SharedArrayBuffer;

const pageBytes = 2 ** 16;

/** At least so many bytes, all 0. `kernel` says whether WebAssembly code shall read it. */
export function allocateShared(bytes: number, kernel: boolean): SharedMemory {
  if (!kernel) return new SharedArrayBuffer(bytes);
  const pages = Math.max(1, Math.ceil(bytes / pageBytes));
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

export function bufferOf(memory: SharedMemory): SharedArrayBuffer {
  return memory instanceof SharedArrayBuffer ? memory : memory.buffer;
}

/** The exports of a module that imports its memory; null where the engine lacks what the module needs. */
export function instantiateOn(memory: SharedMemory, module: object): unknown {
  return memory instanceof SharedArrayBuffer ? null : new WebAssembly.Instance(module, { env: { memory } }).exports;
}

/** Compiles a module; null where the engine cannot run it. */
export function compileModule(bytes: Uint8Array): object | null {
  return typeof WebAssembly === "object" && WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null;
}
