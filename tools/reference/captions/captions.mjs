// Prints seeded captions, one a line: plain scenes with awkward pieces put among their words, and short heaps of such pieces.
// node captions.mjs COUNT SEED
const [count = "3000", seedText = "1"] = process.argv.slice(2);
let seed = Number(seedText) >>> 0;
const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
const pick = (from) => from[Math.floor(random() * from.length)];

const who = "a man|two women|The dog|A small boy|Several people|a red bus|an old truck|three zebras|A herd of sheep|my neighbour's cat|the players".split("|");
const does = "sits on|is riding|stands next to|walks past|looks at|are eating|flies over|plays with|waits for|holds".split("|");
const what = "a wooden bench|the skateboard|an umbrella|a plate of food|the street sign|a tall building|some flowers|a kite|the tennis court|a laptop".split("|");
const odd = String.raw`U.S. U.S.A Mr. Mrs. Dr. St. Main No. No.5 5 2\s1/2 3/4 1/2 ½ 1½ 2⁄3 12:30 5:30pm 5:30\sp.m. a.m. p.m 10pm 5p.m. $5 $5.00 US$5 £3.50 €4 50% #1 #cats @home w/ w/o
b&w B&W AT&T R&B M&M's can't don’t won't couldn't've it’s I'm they're she'll cannot gonna wanna gotta gimme lemme y'all o'clock O’Neil ma'am rock'n'roll 'n' 'em 'til '80s '95 80's 1980s 1st 2nd
3-D 5-year-old mother-in-law 6" 24"x36" 5'10" ft. oz. lb. in. etc. vs. e.g. i.e. approx. Jan. Sept. Mon. Tues. Calif. Wash. wash. Inc. Co. Ltd. ... … — – -- --- “hello” ‘hi’ "no" 'yes' «oui» (two) [sic] {x} :)
;-) :( <3 ^_^ -_- café cafe\u0301 naïve jalapeño Über élan 日本語 привет Ελλάδα 🙂 ❤️ 👨‍👩‍👧 ™ ® © ° 70°F 5¢ × ÷ ± • → ★ ♥ www.example.com example.com http://example.com/a?b=1 who@example.com
555-1234 (555)\s555-1234 100\s200\s300 2009-2010 1,000 1,000,000 1.5 .5 -5 +5 4x4 5x7 12/25/2010 9/11 24/7 16:9 1:1 A. B. J. x. C++ C# Yahoo! E! &amp; &lt; &quot; hors\sd'oeuvres jack-o'-lantern
merry-go-round ol' Dunkin' somethin' ridin' McDonald's Wendy's boys' James' Hawai'i hallowe'en c'est s'mores non‑stick 10–20 and/or his/her/their a/b/c/d black\s&\swhite Ph.D. T.V. t.v. tv. D.C. L.A.
w. 1. 2) a) * ** _ ___ ~ ^ | \ + = / ! ? !! ?! , ; : . ' " photo.jpg IMG_1234.jpg a_b dog.Cat dog.,cat dog.; A.-B Ft. ft Ave. Blvd. blvd. Hwy. Rd. mt. Mt. pp.\s5 fig.\s2 soft\u00adhyphen no\u00a0break`
  .split(/\s+/)
  .map((piece) => piece.replaceAll(String.raw`\s`, " ").replace(/\\u([0-9a-f]{4})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))));
const behind = [",", ".", "!", "?", ":", ";", "'s", "’s", "...", "-", "s", ")", '"', "”"];

function piece() {
  const text = pick(odd);
  const way = random();
  if (way < 0.08) return `"${text}"`;
  if (way < 0.13) return `'${text}'`;
  if (way < 0.18) return `(${text})`;
  if (way < 0.22) return `“${text}”`;
  return way < 0.36 ? text + pick(behind) : text;
}

function scene() {
  const words = `${pick(who)} ${pick(does)} ${pick(what)}`.split(" ");
  for (let n = 1 + Math.floor(random() * 3); n > 0; n--) words.splice(Math.floor(random() * (words.length + 1)), 0, piece());
  return words.join(" ") + pick(["", ".", ".", " .", "!", "..."]);
}

function heap() {
  let text = "";
  for (let n = 1 + Math.floor(random() * 4); n > 0; n--) text += piece() + pick([" ", " ", " ", "", "-", "/", ", "]);
  return text.trim();
}

for (let i = 0; i < Number(count); i++) process.stdout.write(`${random() < 0.7 ? scene() : heap()}\n`);
