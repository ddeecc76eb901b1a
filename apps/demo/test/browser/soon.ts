/** For `expect.poll`: what holds before long, on a machine that may be busy with other tests. */
export const soon = { timeout: 20_000, interval: 50 } as const;
