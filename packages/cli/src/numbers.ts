/** Numbers as people read them: thousands separated, money with its cents, milliseconds with sensible digits. */

/** `1234567` → `1,234,567`. Whole numbers only. */
export const formatCount = (count: number): string =>
  String(Math.trunc(count)).replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',');

/** Cents → `1,000,000.00`. */
export const formatMoney = (cents: number): string => {
  const size = Math.abs(Math.trunc(cents));
  const fraction = String(size % 100).padStart(2, '0');
  return `${cents < 0 ? '-' : ''}${formatCount(Math.floor(size / 100))}.${fraction}`;
};

/** Transactions a second: whole from 10 on, one decimal below. */
export const formatRate = (perSecond: number): string =>
  perSecond > 0 && perSecond < 9.95 ? perSecond.toFixed(1) : formatCount(Math.round(perSecond));

/** A latency in ms without its unit: two digits that count. */
export const formatLatency = (ms: number | null): string =>
  ms === null ? '–' : ms < 9.95 ? ms.toFixed(1) : formatCount(Math.round(ms));

/** An amount of currency with two decimals, from units (not cents). */
export const formatAmount = (units: number): string => formatMoney(Math.round(units * 100));

/** `1 site`, `3 sites`. */
export const counted = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
