/**
 * Words that keep the dot behind them, as observed: every combination of up to five letters was put before a dot in ten
 * surroundings, and longer words and their beginnings from WordNet (tools/reference/captions). Single letters keep it too.
 */
const firm = new Set(
  `cf dr ft lt mr ms mt ph st vs wm adj adm adv ave cie col cpl det drs ens gen gov hon jos maj mme mrs pfc pvt rep rev sen sfc sgt
   spc ste alex asst atty brig capt cmdr dept elec govs insp invt mlle msgr natl pres prof reps sens supt messrs assoc attys
   comdr lieut profs supts treas`.split(/\s+/),
);

/** These often end a sentence, and win over one or two characters more of a longer token. */
const closing = new Set(
  `al co ct ga jr ky md mo rd rt sq sr va vt ala apr aug bhd cos dak dec esq est etc ext feb fla fri inc ind jan jul jun kan ltd mar
   mon neb nev nov oct plc sep seq sys tel thu tue wed wis wyo ariz assn bldg blvd bros colo conn corp intl kans mich minn mont okla
   penn sept tenn tues univ wisc bancorp calif thurs`.split(/\s+/),
);

/** As those, but not in capitals. */
const closingNotInCapitals = new Set(["pte", "pty", "ppte", "ppty", "ptes", "ptys", "pptes", "pptys"]);
const notInCapitals = new Set(["mfg", "mtg"]);

/** These are words of their own when they start with a small letter. */
const closingCapitalised = new Set(["az", "la", "pa", "ark", "del", "ill", "ore", "tex", "mass", "miss", "wash"]);

/** These keep it before a figure: "No. 5". */
const beforeFigures = new Set(["ca", "no", "op", "pp", "art", "fig", "nos", "figs", "prop"]);

const longest = 7;

/** Whether `word` (ASCII letters), which a dot follows, keeps that dot whatever comes behind it, and whether it then may end a sentence. */
export function keptDot(word: string): "firm" | "closing" | undefined {
  if (word.length > longest) return undefined;
  if (word.length === 1) return "firm";
  const small = word.toLowerCase();
  if (firm.has(small)) return "firm";
  if (closing.has(small)) return "closing";
  const capitals = word === word.toUpperCase();
  if (closingNotInCapitals.has(small)) return capitals ? undefined : "closing";
  if (notInCapitals.has(small)) return capitals ? undefined : "firm";
  return closingCapitalised.has(small) && word[0] !== small[0] ? "closing" : undefined;
}

/** Whether `word`, which a dot follows, keeps it when a figure comes next. */
export function keepsDotBeforeFigure(word: string): boolean {
  return word.length <= 4 && beforeFigures.has(word.toLowerCase());
}

/** Words that begin a sentence after a single letter with a dot, their first letter being large. */
const sentenceStarts = new Set(
  `a an as at he if in it so we but her now one our she the yet you here last many more once some such that then they this what when
   there while about according after earlier other additionally however since their these`.split(/\s+/),
);
const spaces = /[ \t\u00a0]*/y;
const start = /([A-Z][A-Za-z]{0,11})(?=[ \t\u00a0]|$)|M[rRsS]\.(?=[ \t\u00a0]|$)|<[!?/]?[A-Za-z][^<>]*>(?=[ \t\u00a0]|$)/y;

/** Whether spaces and what begins sentences follow at `at`, also on the next line: one of those words, Mr. or Ms., or a tag. */
export function sentenceStartsAt(text: string, at: number, next: string): boolean {
  const from = spacesEnd(text, at);
  if (from < text.length) return from > at && startsSentence(text, from);
  return startsSentence(next, spacesEnd(next, 0));
}

function spacesEnd(text: string, at: number): number {
  spaces.lastIndex = at;
  spaces.test(text);
  return spaces.lastIndex;
}

function startsSentence(text: string, at: number): boolean {
  start.lastIndex = at;
  const found = start.exec(text);
  return found !== null && (found[1] === undefined || sentenceStarts.has(found[1].toLowerCase()));
}
