/**
 * Scripts of the bank's own: what a signed manifest says of each, and how typed arguments become those of a program. Pure. There is no shell: an
 * argument is one entry of the program's argument list, whatever is in it.
 */
import { actionClasses } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { z } from 'zod';
import type { Script, ScriptValue } from './ports.ts';

const name = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/);
const flag = z.string().regex(/^--?[A-Za-z0-9][A-Za-z0-9-]{0,62}$/);
const shared = {
  name: z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,62}$/),
  flag: flag.optional(),
  required: z.boolean().default(true),
};

const argument = z.discriminatedUnion('type', [
  /** One line that does not begin with `-`, so that it can never be taken for a flag. */
  z.strictObject({ type: z.literal('text'), longest: z.int().min(1).max(1_000).default(200), ...shared }),
  z.strictObject({
    type: z.literal('choice'),
    choices: z.array(z.string().min(1).max(200)).min(1).max(100),
    ...shared,
  }),
  z.strictObject({ type: z.literal('integer'), least: z.int(), most: z.int(), ...shared }),
  /** The flag alone when it is true. */
  z.strictObject({ type: z.literal('boolean'), ...shared, flag }),
]);

const script = z.strictObject({
  name,
  path: z.string().regex(/^\/(?!.*\/\.\.?(?:\/|$))[^\0\n]{1,1000}$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  arguments: z.array(argument).max(32).default([]),
  user: z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/),
  timeoutMs: z.int().min(100).max(86_400_000),
  class: z.enum(actionClasses),
  kind: z.enum(['script', 'backup', 'restore']).default('script'),
  undo: name.nullable().default(null),
});

const manifest = z.strictObject({ version: z.literal(1), scripts: z.array(script).max(200) });

export type SignedScript = Script & { readonly sha256: string };

/** @param text whose signature was checked @throws MANIFEST_INVALID */
export const parseManifest = (path: string, text: string): ReadonlyMap<string, SignedScript> => {
  const invalid = (reason: string, cause?: unknown) => fail('MANIFEST_INVALID', { path, reason }, { cause });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalid('it is not JSON', error);
  }
  const parsed = manifest.safeParse(json);
  if (!parsed.success) {
    const [first] = parsed.error.issues;
    throw invalid(`${first?.path.join('.') ?? ''}: ${first?.message ?? 'its shape is wrong'}`);
  }
  const scripts = new Map<string, SignedScript>();
  for (const one of parsed.data.scripts) {
    if (scripts.has(one.name)) throw invalid(`${one.name} is in it twice`);
    if (one.kind === 'restore' && one.class !== 'C3') throw invalid(`${one.name} restores, so its class is C3`);
    scripts.set(one.name, { ...one, argv: (given) => argvOf(one.name, one.arguments, given) });
  }
  for (const { name: own, undo } of scripts.values())
    if (undo !== null && !scripts.has(undo)) throw invalid(`the way back of ${own}, ${undo}, is not in it`);
  return scripts;
};

type Argument = z.infer<typeof argument>;

/** @throws ACTION_REFUSED */
const argvOf = (
  script: string,
  specified: readonly Argument[],
  given: Readonly<Record<string, ScriptValue>>,
): readonly string[] => {
  const refused = (reason: string) => fail('ACTION_REFUSED', { reason: `${reason} (script ${script})` });
  const unknown = Object.keys(given).find((one) => !specified.some((spec) => spec.name === one));
  if (unknown !== undefined) throw refused(`there is no argument ${unknown.slice(0, 64)}`);
  return specified.flatMap((spec) => {
    const value = Object.hasOwn(given, spec.name) ? given[spec.name] : undefined;
    if (value === undefined) {
      if (spec.required && spec.type !== 'boolean') throw refused(`the argument ${spec.name} is missing`);
      return [];
    }
    const wrong = problemOf(spec, value);
    if (wrong !== undefined) throw refused(`the argument ${spec.name} ${wrong}`);
    if (spec.type === 'boolean') return value === true ? [spec.flag] : [];
    return spec.flag === undefined ? [String(value)] : [spec.flag, String(value)];
  });
};

const problemOf = (spec: Argument, value: ScriptValue): string | undefined => {
  switch (spec.type) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'is true or false';
    case 'integer':
      return Number.isSafeInteger(value) && Number(value) >= spec.least && Number(value) <= spec.most
        ? undefined
        : `is a whole number from ${spec.least} to ${spec.most}`;
    case 'choice':
      return typeof value === 'string' && spec.choices.includes(value)
        ? undefined
        : `is one of ${spec.choices.join(', ')}`;
    case 'text':
      return typeof value === 'string' && new RegExp(`^[^-\\p{Cc}][^\\p{Cc}]{0,${spec.longest - 1}}$`, 'u').test(value)
        ? undefined
        : `is text of 1 to ${spec.longest} characters on one line that does not begin with "-"`;
  }
};
