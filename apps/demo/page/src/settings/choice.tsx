import type { VNode } from "preact";
import { useId } from "preact/hooks";

interface ChoiceProps<T extends string> {
  readonly name: string;
  readonly legend: string;
  readonly value: T;
  readonly choices: readonly (readonly [value: T, label: string])[];
  readonly onChange: (value: T) => void;
  readonly hint?: string;
}

/** One of a few, side by side. */
export function Choice<T extends string>({ name, legend, value, choices, onChange, hint }: ChoiceProps<T>): VNode {
  const id = useId();
  return (
    <fieldset class="field" aria-describedby={hint ? id : undefined}>
      <legend>{legend}</legend>
      <div class="segments">
        {choices.map(([choice, label]) => (
          <label key={choice}>
            <input type="radio" name={name} value={choice} checked={choice === value} onChange={() => onChange(choice)} />
            <span>{label}</span>
          </label>
        ))}
      </div>
      {hint && (
        <p id={id} class="hint">
          {hint}
        </p>
      )}
    </fieldset>
  );
}
