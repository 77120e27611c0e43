/**
 * Kinds of values that `coequal.yaml` is written in: names, paths, addresses, durations, sizes. Each carries the words
 * that editors show and, for what is refused, a message a person can act on. What the keys are is in `schema.ts`.
 */
import { formatBytes, formatDuration, parseBytes, parseDuration } from '@coequal/kernel';
import { z } from 'zod';

export type TextRule = { readonly pattern: RegExp; readonly message: string; readonly advice: string };

/** Text that must match a pattern, with a message a person can act on. */
export const text = (description: string, rule: TextRule, example: string) =>
  z
    .string()
    .superRefine((value, context) => {
      if (!rule.pattern.test(value))
        context.addIssue({
          code: 'custom',
          message: `\`${shortened(value)}\` ${rule.message}`,
          params: { advice: rule.advice },
        });
    })
    .meta({ description, pattern: rule.pattern.source, examples: [example] });

/** Names go into file names, certificates and metric labels, hence the narrow alphabet; 32 is the engine's limit. */
const nameRule: TextRule = {
  pattern: /^[a-z][a-z0-9-]{0,31}$/,
  message: 'is not a name',
  advice: 'Names begin with a lower-case letter and go on with lower-case letters, digits and `-`, 32 at most.',
};
export const name = (description: string, example: string) => text(description, nameRule, example);

/** Paths go into option files and transfer scripts, so they may not hold what these take for their own. */
const pathRule: TextRule = {
  pattern: /^\/(?!.*(?:^|\/)\.\.?(?:\/|$))[^\s;:,=#"'`\\$*?<>|&!(){}[\]]*$/,
  message: 'is not an absolute path that every program here can use',
  advice: 'Begin with `/`, without `.` or `..` parts, blanks, quotes or any of `; : , = # $ * ? < > | & ! ( )`.',
};
export const path = (description: string, example: string) => text(description, pathRule, example);

export const databaseRule: TextRule = {
  pattern: /^(?![0-9]+$)[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/,
  message: 'is not a database name',
  advice: 'Use letters, digits, `_` and `-`, 64 at most and not only digits.',
};

const addressRule = (value: string): boolean =>
  z.ipv4().safeParse(value).success ||
  z.ipv6().safeParse(value).success ||
  /^(?!.*\.[0-9]+$)(?![0-9.]+$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/.test(
    value,
  );

export const address = z
  .string()
  .max(253)
  .superRefine((value, context) => {
    if (!addressRule(value) || value === '0.0.0.0' || /^[0:]+$/.test(value))
      context.addIssue({
        code: 'custom',
        message: `\`${shortened(value)}\` is not an address that other hosts can reach`,
        params: { advice: 'Give an IPv4 address, an IPv6 address (without brackets) or a host name, without a port.' },
      });
  })
  .meta({
    description: 'Address by which the other hosts reach this one: IPv4, IPv6 without brackets, or a host name.',
    examples: ['10.0.1.11', 'db1.north.example.com'],
  });

type Range = { readonly least: number; readonly most: number };

const quantity =
  (
    parse: (written: string) => number | undefined,
    format: (value: number) => string,
    round: (value: number) => number,
    units: readonly string[],
    what: string,
  ) =>
  (description: string, range: Range, example: string) =>
    z
      .string()
      // Said before the transformation: the JSON schema describes what people write, not what it becomes.
      .meta({ description, pattern: `^\\d+(\\.\\d+)?\\s*(${units.join('|')})$`, examples: [example] })
      .transform((written, context) => {
        const parsed = parse(written);
        const value = parsed === undefined ? undefined : round(parsed);
        if (value === undefined)
          context.addIssue({
            code: 'custom',
            message: `\`${shortened(written)}\` is not a ${what}`,
            params: {
              advice: `Write a number and one of ${units.map((unit) => `\`${unit}\``).join(', ')}, like \`${example}\`.`,
            },
          });
        else if (value < range.least || value > range.most)
          context.addIssue({
            code: 'custom',
            message: `\`${shortened(written)}\` is out of range`,
            params: { advice: `Write between ${format(range.least)} and ${format(range.most)}.` },
          });
        else return value;
        return z.NEVER;
      });

/** Kept to a thousandth of a millisecond: finer figures are noise, and have no plain decimal text. */
export const duration = quantity(
  parseDuration,
  formatDuration,
  (ms) => Math.round(ms * 1_000) / 1_000,
  ['ms', 's', 'min', 'h'],
  'duration',
);
export const size = quantity(parseBytes, formatBytes, Math.round, ['B', 'kB', 'MB', 'GB', 'KiB', 'MiB', 'GiB'], 'size');
export const port = (description: string) => z.int().min(1).max(65_535).describe(description);

export const KiB = 2 ** 10;
export const MiB = 2 ** 20;
export const TiB = 2 ** 40;

/** The longest stretch of someone's text that a message repeats. */
const shortened = (value: string): string => (value.length <= 60 ? value : `${value.slice(0, 57)}…`);
