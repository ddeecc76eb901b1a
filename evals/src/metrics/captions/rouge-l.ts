const beta = 1.2;

/**
 * ROUGE-L of one image (Lin 2004), 0 to 1: the longest common subsequence's largest precision and largest recall, each over
 * all references, so that they may be of two. As in the COCO evaluation, tokens are parted by single spaces only.
 * @param candidate and references: tokens that spaces join
 */
export function rougeL(candidate: string, references: readonly string[]): number {
  const words = candidate.split(" ");
  let [precision, recall] = [0, 0];
  for (const reference of references) {
    const others = reference.split(" ");
    const common = longestCommon(words, others);
    precision = Math.max(precision, common / words.length);
    recall = Math.max(recall, common / others.length);
  }
  return precision === 0 || recall === 0 ? 0 : ((1 + beta ** 2) * precision * recall) / (recall + beta ** 2 * precision);
}

/** Length of the longest common subsequence. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  const row = new Uint32Array(b.length + 1);
  for (const word of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j] as number;
      row[j] = word === b[j - 1] ? diagonal + 1 : Math.max(above, row[j - 1] as number);
      diagonal = above;
    }
  }
  return row[b.length] as number;
}
