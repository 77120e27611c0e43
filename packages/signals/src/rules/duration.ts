/** Durations as Prometheus writes them: `1h30m`, `15s`, `500ms`, units from large to small, each once; `0` alone is zero. */

const pattern = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/;
const unitsMs = [365 * 86_400_000, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000, 1] as const;
/** What Prometheus holds in its 64 bits of nanoseconds. */
const largestMs = 2 ** 63 / 1e6;

/** Milliseconds, or undefined for what is no duration. */
export const parseRuleDuration = (text: string): number | undefined => {
  if (text === '0') return 0;
  const match = text === '' ? null : pattern.exec(text);
  if (match === null) return undefined;
  const ms = unitsMs.reduce((sum, unit, index) => sum + Number(match[index + 1] ?? 0) * unit, 0);
  return ms < largestMs ? ms : undefined;
};
