/** The values of flags, parsed once: each function gives the value or refuses in words that name what is allowed. */
import { type Clock, parseDuration } from '@coequal/kernel';
import { InvalidArgumentError } from 'commander';

/** A whole number between two bounds. */
export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    return value;
  };

export const decimalNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`Give a number from ${least} to ${most}.`);
    return value;
  };

/** `10s`, `500ms`, `2min` → milliseconds, between 100 ms and a day. */
export const durationMs = (text: string): number => {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 100 || ms > 86_400_000)
    throw new InvalidArgumentError('Give a duration from 100ms to 24h, like 10s.');
  return ms;
};

/** A time as ISO 8601, or before now as `-10min` → milliseconds since 1970. */
export const instant =
  (clock: Pick<Clock, 'now'>) =>
  (text: string): number => {
    const before = text.startsWith('-') ? parseDuration(text.slice(1)) : undefined;
    const ms =
      before === undefined ? (/^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN) : clock.now() - before;
    if (!Number.isFinite(ms))
      throw new InvalidArgumentError('Give a time like 2026-03-01T14:00:00Z, or before now like -10min.');
    return ms;
  };
/** How long nobody is called: a minute to thirty days. */
export const silenceMs = (text: string): number => {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 60_000 || ms > 30 * 86_400_000)
    throw new InvalidArgumentError('Give a duration from 1min to 720h, like 2h.');
  return ms;
};

/** The name of a lab: it becomes a folder and part of socket paths, hence short and plain. */
export const labName = (text: string): string => {
  if (!/^[a-z][a-z0-9-]{0,15}$/.test(text))
    throw new InvalidArgumentError('A name is a lower-case letter, then lower-case letters, digits and -, 16 at most.');
  return text;
};

/** Two site names with a comma between. */
export const sitePair = (text: string): readonly [string, string] => {
  const [first, second, ...others] = text.split(',').map((part) => part.trim());
  if (!first || !second || others.length > 0 || first === second)
    throw new InvalidArgumentError('Give two different sites with a comma between, like north,south.');
  return [first, second];
};

export const oneOf =
  <T extends string>(choices: readonly T[]) =>
  (text: string): T => {
    const choice = choices.find((each) => each === text);
    if (choice === undefined) throw new InvalidArgumentError(`It can be ${choices.join(', ')}.`);
    return choice;
  };
