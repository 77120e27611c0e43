/** Numbers as the formats of Prometheus write them: decimal, `NaN`, `+Inf`, `-Inf`. */

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const infinite = /^([+-]?)inf(?:inity)?$/i;

/** Undefined for what is no number, and for a decimal beyond what a float64 holds: such a value is a fault of its writer. */
export const parseNumber = (text: string): number | undefined => {
  if (decimal.test(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? value : undefined;
  }
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  const sign = infinite.exec(text)?.[1];
  return sign === undefined ? undefined : sign === '-' ? -Infinity : Infinity;
};

/** Reads back as the same float64. */
export const formatNumber = (value: number): string =>
  value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : Object.is(value, -0) ? '-0' : String(value);
