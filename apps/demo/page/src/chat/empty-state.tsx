import type { VNode } from "preact";
import examples from "../../../../../examples/examples.json";
import airplane from "../../../../../examples/airplane-and-eggplants.png";
import crabs from "../../../../../examples/crabs.png";
import duck from "../../../../../examples/duck-eggplant-package.png";
import penguins from "../../../../../examples/penguins.png";
import scene from "../../../../../examples/scene.png";
import sunflower from "../../../../../examples/sunflower-and-deer.png";
import { Mark } from "../shell/icon";
import { tellFailure } from "../shell/notices";
import { holdFile } from "./draft";
import { ask } from "./replies";

const pictures: readonly { readonly file: string; readonly url: string; readonly question: string }[] = [
  { file: "scene.png", url: scene, question: "What do you see?" },
  { file: "sunflower-and-deer.png", url: sunflower, question: "Is there a deer?" },
  { file: "crabs.png", url: crabs, question: "What does the picture show?" },
  { file: "penguins.png", url: penguins, question: "Describe this picture." },
  { file: "duck-eggplant-package.png", url: duck, question: "Name the objects." },
  { file: "airplane-and-eggplants.png", url: airplane, question: "Is there a banana?" },
];

/** What a new conversation begins with: an invitation, and pictures to try. */
export function EmptyState(): VNode {
  return (
    <div class="empty">
      <Mark />
      <h2>Show me something.</h2>
      <p class="lead">Drop a picture anywhere on this page, paste one, or take a photograph, and ask about it. It is looked at on this machine and sent nowhere else.</p>
      <h3 id="examples">Or start from one of these</h3>
      <ul class="examples" aria-labelledby="examples">
        {pictures.map(({ file, url, question }) => (
          <li key={file}>
            <button type="button" class="example" onClick={() => void begin(file, url, question).catch(tellFailure)}>
              <img src={url} alt={`Example: ${captionOf(file)}`} width={384} height={384} loading="lazy" />
              <span>{question}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

const captionOf = (file: string): string => (examples.find((example) => example.file === file)?.caption ?? file).replace(/^I see /, "").replace(/\.$/, "");

/** Asks about an example. */
async function begin(file: string, url: string, question: string): Promise<void> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The example ${file} could not be fetched: ${response.status}`);
  await ask(question, [await holdFile(new File([await response.blob()], file, { type: "image/png" }))]);
}
