/**
 * Words that keep the dot behind them, as observed: every combination of up to five letters was put before a dot in ten
 * surroundings, and longer words and their beginnings from WordNet (tools/reference/captions). Single letters keep it too.
 */
const always = new Set(
  `al cf co ct dr ft ga jr ky lt md mo mr ms mt ph rd rt sq sr st va vs vt wm adj adm adv ala apr aug ave bhd cie col cos cpl dak
   dec det drs ens esq est etc ext feb fla fri gen gov hon inc ind jan jos jul jun kan ltd maj mar mme mon mrs neb nev nov oct pfc
   plc pvt rep rev sen sep seq sfc sgt spc ste sys tel thu tue wed wis wyo alex ariz assn asst atty bldg blvd brig bros capt cmdr
   colo conn corp dept elec govs insp intl invt kans mich minn mlle mont msgr natl okla penn pres prof reps sens sept supt tenn
   tues univ wisc messrs bancorp assoc attys calif comdr lieut profs supts thurs treas`.split(/\s+/),
);

/** These do not in capitals. */
const notInCapitals = new Set(["mfg", "mtg", "pte", "pty", "ppte", "ppty", "ptes", "ptys", "pptes", "pptys"]);

/** These are words of their own when they start with a small letter. */
const capitalised = new Set(["az", "la", "pa", "ark", "del", "ill", "ore", "tex", "mass", "miss", "wash"]);

/** These keep it before a figure: "No. 5". */
const beforeFigures = new Set(["ca", "no", "op", "pp", "art", "fig", "nos", "figs", "prop"]);

const longest = 7;

/** Whether `word` (ASCII letters), which a dot follows, keeps that dot whatever comes behind it. */
export function keepsDot(word: string): boolean {
  if (word.length > longest) return false;
  if (word.length === 1) return true;
  const small = word.toLowerCase();
  if (always.has(small)) return true;
  if (notInCapitals.has(small)) return word !== word.toUpperCase();
  return capitalised.has(small) && word[0] !== small[0];
}

/** Whether `word`, which a dot follows, keeps it when a figure comes next. */
export function keepsDotBeforeFigure(word: string): boolean {
  return word.length <= 4 && beforeFigures.has(word.toLowerCase());
}
