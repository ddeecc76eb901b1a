/** Text as it stands in a page. */
export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

const style = `body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;color:#1c2330;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.5rem}table{border-collapse:collapse}td,th{padding:.3rem .7rem;text-align:left;border-bottom:1px solid #dde2ea;vertical-align:top}
td.number{text-align:right;font-variant-numeric:tabular-nums}.samples td:first-child{width:170px}img{max-width:160px;border-radius:4px}.muted{color:#667}
.said{font-weight:600}svg text{font-size:11px;fill:#556}
@media(prefers-color-scheme:dark){body{color:#dfe4ee;background:#14181f}td,th{border-color:#2b3340}.muted,svg text{color:#9aa4b5;fill:#9aa4b5}}`;

/** A page that needs nothing else: styles and pictures are in it. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(title)}</title><style>${style}</style></head>
<body><h1>${escapeHtml(title)}</h1>
${body}
</body></html>
`;
}

const [width, height, bins] = [420, 120, 20];

/** How many samples have which score, as a picture; the scores' range is on its axis. */
export function histogram(scores: readonly number[], label: string): string {
  const most = Math.max(1, ...scores);
  const counts = Array.from({ length: bins }, () => 0);
  for (const score of scores) {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor((score / most) * bins)));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const tallest = Math.max(...counts);
  const bar = width / bins;
  const bars = counts.map((count, i) => {
    const tall = tallest === 0 ? 0 : (count / tallest) * (height - 20);
    return `<rect x="${(i * bar + 1).toFixed(1)}" y="${(height - tall).toFixed(1)}" width="${(bar - 2).toFixed(1)}" height="${tall.toFixed(1)}" fill="#4078c0"><title>${count} samples from ${((i / bins) * most).toFixed(2)}</title></rect>`;
  });
  return `<svg role="img" aria-label="Histogram of ${escapeHtml(label)}" viewBox="0 0 ${width} ${height + 18}" width="${width}" height="${height + 18}">${bars.join("")}<text x="0" y="${height + 14}">0</text><text x="${width}" y="${height + 14}" text-anchor="end">${most.toFixed(1)}</text><text x="${width / 2}" y="${height + 14}" text-anchor="middle">${escapeHtml(label)}, ${scores.length} samples, tallest ${tallest}</text></svg>`;
}

/** Rows of a table with a number at the end of each. */
export function figuresTable(figures: Readonly<Record<string, number>>): string {
  return `<table>${Object.entries(figures).map(([name, value]) => `<tr><td>${escapeHtml(name)}</td><td class="number">${value.toFixed(4)}</td></tr>`).join("")}</table>`;
}
