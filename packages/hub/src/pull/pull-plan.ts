import { HubError } from "../hub-error.js";
import { findManifest, suggestion } from "../manifest/known-models.js";
import { isRepositoryName, parseModelReference } from "../model-reference.js";
import { filesOfManifest, filesOfRepository, manifestFiles, type ChosenFile, type FileNames } from "./choose-files.js";

/** One repository that a model needs, and which of its files. */
export interface RepositoryPlan {
  readonly repository: string;
  readonly revision: string;
  choose(names: FileNames): readonly ChosenFile[];
}

/**
 * What a model's name asks for: repositories and files.
 * @param asked `NAME[@REVISION][:CHOICE]`; a manifest's name, or `owner/repository`
 * @param revision instead of what manifest and name say
 * @throws HubError `unknown-model` with the nearest names; `bad-reference`
 */
export async function planPull(asked: string, revision?: string): Promise<readonly RepositoryPlan[]> {
  const reference = parseModelReference(asked);
  const { name, choice } = reference;
  const wanted = revision ?? reference.revision;
  const manifest = await findManifest(name);
  if (manifest?.kind === "embedded") throw new HubError("unknown-model", `${manifest.name} comes with the package; there is nothing to pull`);
  // A hub name with a glob is taken at its word, even where a manifest knows the model.
  if (manifest && !(isRepositoryName(name) && choice !== undefined && !isChoiceOf(manifest.files, choice))) {
    const files = manifestFiles(manifest, choice);
    const repositories = [...new Set(files.map(({ repository, revision: own }) => `${repository}@${wanted ?? own ?? "main"}`))];
    return repositories.map((key) => {
      const [repository, at] = key.split("@") as [string, string];
      const own = files.filter((file) => file.repository === repository && (wanted ?? file.revision ?? "main") === at);
      return { repository, revision: at, choose: (names) => filesOfManifest(names, own, repository) };
    });
  }
  if (!isRepositoryName(name)) {
    throw new HubError("unknown-model", `there is no model ${JSON.stringify(name.slice(0, 100))}${await suggestion(name)}; sightline list --all shows the known ones, and any other is named owner/repository`);
  }
  return [{ repository: name, revision: wanted ?? "main", choose: (names) => filesOfRepository(names, choice, name) }];
}

function isChoiceOf(files: readonly { readonly quantisation: string | null }[], choice: string): boolean {
  return files.some(({ quantisation }) => quantisation?.toLowerCase() === choice.toLowerCase());
}
