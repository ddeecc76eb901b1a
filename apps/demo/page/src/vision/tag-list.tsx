import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { Tags } from "../api/siglip";
import { changeSettings } from "../settings/settings";
import { Icon } from "../shell/icon";
import { IconButton } from "../shell/icon-button";
import { addLabels } from "./label-list";
import { percent } from "./percent";
import type { Asked } from "./use-answer";

interface TagListProps {
  readonly labels: readonly string[];
  readonly asked: Asked<Tags>;
  readonly onAgain: () => void;
  /** The word whose place is shown. */
  readonly word: string | undefined;
  readonly onWord: (word: string) => void;
}

/** Words that a person gives, and how probable each is; pressing one shows where it is. */
export function TagList({ labels, asked, onAgain, word, onWord }: TagListProps): VNode {
  const tags = asked.state === "known" ? asked.value : asked.state === "waiting" ? asked.last : undefined;
  const probabilities = new Map(tags?.tags.map(({ label, probability }) => [label, probability]));
  const ordered = [...labels].sort((a, b) => (probabilities.get(b) ?? -1) - (probabilities.get(a) ?? -1));
  const remove = (label: string): void => {
    changeSettings({ labels: labels.filter((one) => one !== label) });
    document.querySelector<HTMLElement>("#words")?.focus();
  };
  return (
    <section class="tags" aria-label="Words and how well they fit">
      <LabelField labels={labels} />
      {asked.state === "failed" && (
        <p class="failure-line" role="alert">
          {asked.problem}{" "}
          <button type="button" class="text-button" onClick={onAgain}>
            Try again
          </button>
        </p>
      )}
      <ul aria-busy={asked.state === "waiting"}>
        {ordered.map((label) => {
          const probability = probabilities.get(label);
          return (
            <li key={label} class="tag">
              <button type="button" class="tag-button" aria-pressed={label === word} title={`Show where “${label}” is`} onClick={() => onWord(label)}>
                <span class="tag-line">
                  <Icon name="eye" />
                  <span class="tag-name">{label}</span>
                  <span class="tag-number">{probability === undefined ? "…" : percent(probability)}</span>
                </span>
                <span class="bar" aria-hidden="true">
                  <span style={{ width: `${(probability ?? 0) * 100}%` }} />
                </span>
              </button>
              <IconButton icon="close" label={`Remove ${label}`} onClick={() => remove(label)} />
            </li>
          );
        })}
      </ul>
      <p class="none" role="status">
        {tags?.none_of_the_above ? "None of the above." : ""}
      </p>
    </section>
  );
}

function LabelField({ labels }: { labels: readonly string[] }): VNode {
  const [typed, setTyped] = useState("");
  const add = (text: string): void => {
    setTyped("");
    changeSettings({ labels: addLabels(labels, text) });
  };
  return (
    <form
      class="label-field"
      onSubmit={(event) => {
        event.preventDefault();
        add(typed);
      }}
    >
      <input
        id="words"
        type="text"
        aria-label="Words to look for"
        placeholder="Add words: cat, dog"
        value={typed}
        onInput={(event) => {
          const { value } = event.currentTarget;
          const comma = value.lastIndexOf(",");
          if (comma === -1) setTyped(value);
          else {
            add(value.slice(0, comma));
            setTyped(value.slice(comma + 1).trimStart());
          }
        }}
      />
      <button type="submit" class="button" disabled={typed.trim() === ""}>
        Add
      </button>
    </form>
  );
}
