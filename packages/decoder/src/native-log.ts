import { registerLogCallback, releaseCallback, type Llama, type Pointer } from "./native-bindings.js";

/** llama.cpp's severity. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/** Takes one line of llama.cpp's log, without its line end. */
export type Logger = (level: LogLevel, text: string) => void;

/**
 * llama.cpp has one log callback per process and calls it from any of its threads. koffi hands a call from a foreign
 * thread over to the main thread and lets the foreign thread wait for it: if the main thread is itself inside a native
 * call that waits for that thread, both wait for ever.
 *
 * So no JavaScript hears the log unless somebody asked for it: the callback is then the address of a native function
 * that does nothing. And while a JavaScript listener is installed, `mayBlockMainThread()` is false and every native
 * call that may start threads runs on a worker thread, which leaves the main thread free to take the log's calls.
 */
export class NativeLog {
  readonly #llama: Llama;
  readonly #listeners = new Set<Logger>();
  #callback: Pointer | undefined;
  #lastLevel: LogLevel = "info";

  constructor(llama: Llama) {
    this.#llama = llama;
  }

  /** Starts handing lines to the listener; the returned function stops it. An error that it throws is dropped. */
  listen(listener: Logger): () => void {
    // A fresh function per call: one logger may serve several decoders.
    const own: Logger = (level, text) => listener(level, text);
    this.#listeners.add(own);
    if (this.#callback === undefined) {
      this.#callback = registerLogCallback((level, text) => this.#hand(level, text ?? ""));
      this.#llama.log_set(this.#callback, null);
    }
    return () => {
      if (!this.#listeners.delete(own) || this.#listeners.size > 0 || this.#callback === undefined) return;
      this.#llama.log_set(this.#llama.ignoreLog, null);
      const callback = this.#callback;
      this.#callback = undefined;
      // Another thread may have picked the callback up just before it was replaced: give it a moment.
      setTimeout(() => releaseCallback(callback), 100).unref();
    };
  }

  /** Whether a long native call may run on the main thread. */
  mayBlockMainThread(): boolean {
    return this.#callback === undefined;
  }

  #hand(nativeLevel: number, text: string): void {
    // 5 continues the line before it.
    const level = nativeLevel === 5 ? this.#lastLevel : (({ 1: "debug", 3: "warn", 4: "error" } as const)[nativeLevel] ?? "info");
    this.#lastLevel = level;
    const line = text.replace(/\s+$/, "");
    if (line === "") return;
    for (const listener of this.#listeners) {
      try {
        listener(level, line);
      } catch {
        // llama.cpp is in the middle of something: a listener's failure must not reach it.
      }
    }
  }
}
