/** "yes" or "no" when an answer begins with it; anything else is "other", and wrong. */
export function yesOrNo(answer: string): "yes" | "no" | "other" {
  const word = /^[^\p{L}\p{N}]*(yes|no)\b/iu.exec(answer)?.[1]?.toLowerCase();
  return word === "yes" || word === "no" ? word : "other";
}

/** What a model said to a question of yes or no, and what is right. */
export interface YesNoAnswer {
  readonly prediction: string;
  readonly answer: "yes" | "no";
}

/** All 0 to 1; yes is what precision and recall look for. */
export interface PopeScores {
  readonly accuracy: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** How often the model says yes. */
  readonly yesShare: number;
}

/** POPE's figures (Li et al. 2023). An answer that is neither yes nor no is wrong, and counts as none of the two. */
export function popeScores(answers: readonly YesNoAnswer[]): PopeScores {
  let [right, said, asked, both] = [0, 0, 0, 0];
  for (const { prediction, answer } of answers) {
    const given = yesOrNo(prediction);
    if (given === answer) right++;
    if (given === "yes") said++;
    if (answer === "yes") asked++;
    if (given === "yes" && answer === "yes") both++;
  }
  const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
  const [precision, recall] = [share(both, said), share(both, asked)];
  return { accuracy: share(right, answers.length), precision, recall, f1: share(2 * precision * recall, precision + recall), yesShare: share(said, answers.length) };
}

/** An answer to one of the two questions that MME asks of an image. */
export interface MmeAnswer extends YesNoAnswer {
  readonly category: string;
  /** Two questions are asked of each. */
  readonly imageId: string;
}

const cognition = new Set(["commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning"]);

/** MME's figures (Fu et al. 2023). */
export interface MmeScores {
  /** 0 to 200 each: 100 x (acc + acc+). */
  readonly categories: Readonly<Record<string, { readonly accuracy: number; readonly accuracyPlus: number; readonly score: number }>>;
  /** Sums over categories: 0 to 2000 and 0 to 800 on the whole set. */
  readonly perception: number;
  readonly cognition: number;
}

/** MME's figures (Fu et al. 2023): by category the share of right answers, and acc+, the share of images with both right. */
export function mmeScores(answers: readonly MmeAnswer[]): MmeScores {
  const byCategory = groupBy(answers, ({ category }) => category);
  const categories: Record<string, MmeScores["categories"][string]> = {};
  const sums = { perception: 0, cognition: 0 };
  for (const [category, ofCategory] of byCategory) {
    const right = ({ prediction, answer }: YesNoAnswer): boolean => yesOrNo(prediction) === answer;
    const images = [...groupBy(ofCategory, ({ imageId }) => imageId).values()];
    const accuracy = ofCategory.filter(right).length / ofCategory.length;
    const accuracyPlus = images.filter((ofImage) => ofImage.every(right)).length / images.length;
    const score = 100 * (accuracy + accuracyPlus);
    categories[category] = { accuracy, accuracyPlus, score };
    sums[cognition.has(category) ? "cognition" : "perception"] += score;
  }
  return { categories, ...sums };
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}
