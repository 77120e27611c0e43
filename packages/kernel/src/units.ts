/** Durations and sizes as people write them, and back. Inside the house they are milliseconds and bytes. */

const durationUnits = { ms: 1, s: 1_000, min: 60_000, m: 60_000, h: 3_600_000 } as const;
const sizeUnits = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** `5ms`, `0.5 s`, `2min`, `1h` → milliseconds; undefined when it is not a duration. */
export const parseDuration = (text: string): number | undefined => parseWith(durationUnits, text);

/** `512MiB`, `1 GB` → bytes; undefined when it is not a size. */
export const parseBytes = (text: string): number | undefined => parseWith(sizeUnits, text);

/** Milliseconds for a person: `412 ms`, `3.2 s`, `4 min 10 s`. */
export const formatDuration = (ms: number): string => {
  if (ms < 1_000) return `${ms < 10 && !Number.isInteger(ms) ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const seconds = Math.round(ms / 1_000);
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

/** Bytes for a person, in powers of 1024: `512 MiB`. */
export const formatBytes = (bytes: number): string => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 10 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
};

const parseWith = (units: Readonly<Record<string, number>>, text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  const unit = match?.[2];
  const factor = unit !== undefined && Object.hasOwn(units, unit) ? units[unit] : undefined;
  return factor === undefined ? undefined : Number(match?.[1]) * factor;
};
