import type { DecodeContext } from "./decode-context.js";
import type { Prompt } from "./segments.js";
import type { Slot, Slots } from "./slots.js";

/** Copying whole cell buffers costs about as much as decoding this many rows, or less. */
const rowsWorthACopy = 64;

/** Makes a slot's cache hold as much of a prompt's beginning as is known anywhere, and nothing else. */
export class PrefixReuse {
  readonly #context: DecodeContext;
  readonly #slots: Slots;
  readonly #cuttable: boolean;
  readonly #sharedCells: boolean;

  /**
   * @param model.cuttable whether the memory can forget its last positions alone; a recurrent one cannot
   * @param model.sharedCells whether sequences may share cells, so that a copy costs nothing
   */
  constructor(context: DecodeContext, slots: Slots, { cuttable, sharedCells }: { readonly cuttable: boolean; readonly sharedCells: boolean }) {
    this.#context = context;
    this.#slots = slots;
    this.#cuttable = cuttable;
    this.#sharedCells = sharedCells;
  }

  /**
   * Returns how many rows of the prompt the slot's cache now holds.
   * @param borrows whether other slots' caches may be used
   */
  prepare(slot: Slot, prompt: Prompt, borrows: boolean): number {
    const own = slot.contents.commonPrefix(prompt);
    const usable = this.#cuttable || own === slot.contents.length ? own : 0;
    const other = borrows ? this.#slots.fullest(prompt, { except: slot, onlyIdle: !this.#cuttable }) : undefined;
    const worth = usable + (this.#sharedCells ? 1 : rowsWorthACopy);
    if (other !== undefined && other.length >= worth && (this.#cuttable || other.length === other.slot.contents.length)) {
      this.#copy(other.slot, slot, other.length);
      return slot.contents.length;
    }
    return this.cut(slot, usable);
  }

  /** Forgets a slot's cells from `length` on; all of them where the memory cannot be cut there. Returns how many remain. */
  cut(slot: Slot, length: number): number {
    const { contents, index } = slot;
    contents.truncate(length);
    if (contents.length > 0 && this.#context.cut(index, contents.position)) return contents.length;
    this.forget(slot);
    return 0;
  }

  /** Forgets everything that a slot holds. */
  forget({ contents, index }: Slot): void {
    this.#context.clear(index);
    contents.truncate(0);
  }

  #copy(source: Slot, target: Slot, length: number): void {
    this.forget(target);
    target.contents.become(source.contents, length);
    if (this.#sharedCells && this.#cuttable) {
      this.#context.copy(source.index, target.index, target.contents.position);
      return;
    }
    this.#context.copy(source.index, target.index);
    // The source may hold more, rows of a picture that is being decoded included.
    if (!this.#context.cut(target.index, target.contents.position)) this.forget(target);
  }
}
