/** Prompts as lmms-eval writes them: other words give other figures. */
export const captionPrompt = "Provide a one-sentence caption for the provided image.";
export const shortAnswer = "\nAnswer the question using a single word or phrase.";
export const chartAnswer = "\nAnswer the question with a single word.";
export const letterAnswer = "\nAnswer with the option's letter from the given choices directly.";

/** "A. first\nB. second" */
export function lettered(options: readonly string[]): string {
  return options.map((option, i) => `${String.fromCharCode(65 + i)}. ${option}`).join("\n");
}

/** What captions are scored as: their text without spaces at the ends. */
export const trimmed = (text: string): string => text.trim();
