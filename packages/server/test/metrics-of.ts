/** The values of a server's metrics, by name and labels as they are written. */
export async function metricsOf({ url }: { readonly url: string }): Promise<(name: string, labels?: Readonly<Record<string, string>>) => number> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return (name, labels = {}) =>
    lines
      .filter((line) => line.split(/[{ ]/, 1)[0] === name && Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** Waits until something holds, asked every 5 ms; returns how long that took, ms. */
export async function until(holds: () => Promise<boolean> | boolean, ms = 5000): Promise<number> {
  const started = performance.now();
  while (!(await holds())) {
    if (performance.now() - started > ms) throw new Error(`until: it did not hold within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - started;
}
