const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];

/** Bytes as the hub shows them: 512 bytes, 3.5 MB, 2.49 GB. */
export function byteText(bytes: number): string {
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** unit;
  return `${unit === 0 ? String(bytes) : value.toPrecision(Math.max(3, Math.floor(Math.log10(value)) + 1))} ${units[unit]}`;
}
