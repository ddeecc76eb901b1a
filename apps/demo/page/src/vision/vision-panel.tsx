import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { heatmapOf, tagPicture } from "../api/siglip";
import { server } from "../chat/models-of-server";
import type { Picture } from "../conversation/conversation";
import { useObservable } from "../observable";
import { pictureData } from "../pictures/picture-bytes";
import { StoredPicture } from "../pictures/stored-picture";
import { settings } from "../settings/settings";
import { IconButton } from "../shell/icon-button";
import { toggleView } from "../shell/panels";
import { HeatOverlay } from "./heat-overlay";
import { lookAt, lookedAt, lookedFor } from "./looked-at";
import { percent } from "./percent";
import { TagList } from "./tag-list";
import { useAnswer } from "./use-answer";

interface VisionPanelProps {
  /** At least one. */
  readonly pictures: readonly Picture[];
  /** Lies over the page, and closes again. */
  readonly overlay: boolean;
}

/** What the vision tower makes of a picture: how well words fit it, and where. */
export function VisionPanel({ pictures, overlay }: VisionPanelProps): VNode {
  const close = useRef<HTMLButtonElement>(null);
  const chosen = useObservable(lookedAt);
  const picture = pictures.find(({ id }) => id === chosen) ?? pictures.at(-1);
  useEffect(() => {
    if (overlay) close.current?.focus();
  }, [overlay]);
  return (
    <aside class="vision" aria-label="SigLIP's view">
      <header class="vision-head">
        <h2>SigLIP’s view</h2>
        <IconButton icon="close" label="Close SigLIP's view" buttonRef={close} onClick={() => toggleView(false)} />
      </header>
      {picture && (
        <>
          {pictures.length > 1 && <PictureChoice pictures={pictures} chosen={picture.id} />}
          <PictureView key={picture.id} picture={picture} />
        </>
      )}
    </aside>
  );
}

function PictureChoice({ pictures, chosen }: { pictures: readonly Picture[]; chosen: string }): VNode {
  return (
    <ul class="picture-choice" aria-label="Pictures of this conversation">
      {pictures.map((picture, index) => (
        <li key={picture.id}>
          <button type="button" aria-pressed={picture.id === chosen} aria-label={`Picture ${index + 1}: ${picture.name}`} onClick={() => lookAt(picture.id)}>
            <StoredPicture picture={picture} alt="" />
          </button>
        </li>
      ))}
    </ul>
  );
}

function PictureView({ picture }: { picture: Picture }): VNode {
  const labels = useObservable(settings, (now) => now.labels);
  const lookedForNow = useObservable(lookedFor);
  const word = lookedForNow !== undefined && labels.includes(lookedForNow) ? lookedForNow : undefined;
  // What failed while the server was gone is asked again when it is back.
  const gone = useObservable(server, ({ reach }) => reach === "unreachable");
  const tags = useAnswer(labels.length > 0 ? `${gone}\n${labels.join("\n")}` : undefined, async (signal) => tagPicture(await bytesOf(picture.id), labels, signal));
  const heat = useAnswer(word === undefined ? undefined : `${gone}\n${word}`, async (signal) => heatmapOf(await bytesOf(picture.id), word ?? "", signal));
  const shown = heat.asked.state === "known" && word !== undefined ? heat.asked.value : undefined;
  return (
    <>
      <figure class="viewed">
        <div class="viewed-picture" data-waiting={heat.asked.state === "waiting"}>
          <StoredPicture picture={picture} alt={picture.name} />
          {shown && <HeatOverlay grid={shown.grid} faint={shown.probability < unlikely} label={`Where “${word}” is found: ${placeOf(shown.grid)}`} />}
        </div>
        <figcaption aria-live="polite">
          {word === undefined ? (
            "Choose a word to see where it is."
          ) : heat.asked.state === "failed" ? (
            <span role="alert">
              {heat.asked.problem}{" "}
              <button type="button" class="text-button" onClick={heat.again}>
                Try again
              </button>
            </span>
          ) : shown ? (
            <>
              <b>{word}</b>, {percent(shown.probability)}. {shown.probability < unlikely ? "It is hardly there: the warmest place is only the least unlike it." : `Warmest in the ${placeOf(shown.grid)}.`}
            </>
          ) : (
            `Looking for “${word}”…`
          )}
        </figcaption>
      </figure>
      <TagList labels={labels} asked={tags.asked} onAgain={tags.again} word={word} onWord={(next) => lookedFor.set(next === word ? undefined : next)} />
    </>
  );
}

const unlikely = 0.1;

async function bytesOf(id: string): Promise<string> {
  const data = await pictureData(id);
  if (data === undefined) throw new Error("This picture is no longer in this browser.");
  return data;
}

/** Where the greatest value lies, in words. */
function placeOf({ rows, columns, values }: { rows: number; columns: number; values: readonly number[] }): string {
  const at = values.indexOf(Math.max(...values));
  const third = (place: number, count: number): number => Math.min(2, Math.floor(((place + 0.5) / count) * 3));
  const vertical = ["upper", "middle", "lower"][third(Math.floor(at / columns), rows)] ?? "";
  const horizontal = ["left", "centre", "right"][third(at % columns, columns)] ?? "";
  return vertical === "middle" && horizontal === "centre" ? "middle" : `${vertical} ${horizontal}`;
}
