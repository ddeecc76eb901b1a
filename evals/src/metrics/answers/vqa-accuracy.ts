/** What the VQA evaluation writes alike before it compares (Goyal et al. 2017, and EvalAI's processor, which lmms-eval uses). */

const punctuation = [";", "/", "[", "]", '"', "{", "}", "(", ")", "=", "+", "\\", "_", "-", ">", "<", "@", "`", ",", "?", "!"];
const articles = new Set(["a", "an", "the"]);
const numbers: ReadonlyMap<string, string> = new Map(
  Object.entries({ none: "0", zero: "0", one: "1", two: "2", three: "3", four: "4", five: "5", six: "6", seven: "7", eight: "8", nine: "9", ten: "10" }),
);

/** Contractions as they are meant; they are looked up without their apostrophes, or with some of them. */
const contractions = `ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's how'd
how'll how's I'd've I'm I've isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've o'clock
oughtn't shan't she'd've should've shouldn't shouldn't've somebody'd somebody'd've somebody'll somebody's someone'd someone'd've
someone'll someone's something'd something'd've something'll that's there'd there'd've there're there's they'd they'd've they'll they're
they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've
why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've`.split(/\s+/);

const written: ReadonlyMap<string, string> = new Map(contractions.flatMap((word) => withoutApostrophes(word).map((short) => [short, word] as const)));

/** Every way of leaving out some of a word's apostrophes, but not none. */
function withoutApostrophes(word: string): readonly string[] {
  const parts = word.split("'");
  const ways = 2 ** (parts.length - 1);
  return Array.from({ length: ways - 1 }, (_, kept) => parts.reduce((text, part, i) => text + ((kept >> (i - 1)) & 1 ? "'" : "") + part));
}

/**
 * An answer as the VQA evaluation compares it: small letters, no punctuation, no articles, number words as figures,
 * contractions with their apostrophes.
 */
export function normalizeVqaAnswer(answer: string): string {
  const spaced = answer.toLowerCase().replaceAll(",", "").replaceAll("?", "").replaceAll("'s", " 's").trim().replace(/[\n\t]/g, " ").trim();
  return words(withoutPunctuation(spaced));
}

function withoutPunctuation(text: string): string {
  let out = text;
  const commaInFigure = /\d,+\d/.test(text);
  for (const mark of punctuation) {
    // Beside a space it goes, between letters it parts them.
    out = out.replaceAll(mark, text.includes(`${mark} `) || text.includes(` ${mark}`) || commaInFigure ? "" : " ");
  }
  return out.replace(/\.(?!\d)/g, "");
}

function words(text: string): string {
  return text
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => numbers.get(word) ?? word)
    .filter((word) => !articles.has(word))
    .map((word) => written.get(word) ?? word)
    .join(" ");
}

/**
 * VQA accuracy of one answer, 0 to 1: each of the people's answers is left out in turn, and a third of a point is given for
 * each of the others that says the same, at most one; the mean over all. With a single answer to compare with it is 1 or 0.
 */
export function vqaAccuracy(prediction: string, answers: readonly string[]): number {
  const said = normalizeVqaAnswer(prediction);
  const same = answers.map((answer) => normalizeVqaAnswer(answer) === said);
  if (same.length <= 1) return same[0] === true ? 1 : 0;
  const matches = same.filter(Boolean).length;
  const share = (others: number): number => Math.min(1, others / 3);
  return same.reduce((sum, matched) => sum + share(matched ? matches - 1 : matches), 0) / same.length;
}
