/**
 * Settings that changed between two readings, in words. What a setting's value may give away is not shown; what varies by itself is no
 * change. Long values are cut, so that an event stays an event.
 */

export type SettingChange = { readonly name: string; readonly text: string };

export type SettingRules = {
  /** Names of settings that vary without anybody changing them. */
  readonly varying: RegExp;
  /** Settings that are lists of settings (`a=b; c=d`), with what stands between them. Each part is compared by itself. */
  readonly lists: Readonly<Record<string, string>>;
};

const secret =
  /passw|secret|_auth$|credential|passphrase|private|token|conninfo|\bkey$|_command$|^init_(connect|file|slave)$/i;
const valueLimit = 120;
/** So many at once are a new configuration, and the rest is a number. */
const changeLimit = 50;

export const settingChanges = (
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  rules: SettingRules,
): readonly SettingChange[] => {
  const found: SettingChange[] = [];
  for (const [name, now] of after) {
    const was = before.get(name);
    // A setting that comes or goes does so with the version or a plugin.
    if (was === undefined || was === now || rules.varying.test(name)) continue;
    const separator = Object.hasOwn(rules.lists, name) ? rules.lists[name] : undefined;
    if (separator !== undefined) found.push(...partChanges(name, was, now, separator));
    else found.push({ name, text: wordsOf(name, was, now) });
  }
  return found.slice(0, changeLimit);
};

const partChanges = (name: string, was: string, now: string, separator: string): readonly SettingChange[] => {
  const [old, parts] = [partsOf(was, separator), partsOf(now, separator)];
  return [...parts].flatMap(([part, value]) => {
    const before = old.get(part) ?? '';
    return before === value
      ? []
      : [{ name: `${name}.${part}`, text: wordsOf(`${name}, ${part},`, before, value, part) }];
  });
};

const partsOf = (list: string, separator: string): ReadonlyMap<string, string> =>
  new Map(
    list
      .split(separator)
      .map((part) => part.split('='))
      .flatMap(([name = '', ...value]) => (name.trim() === '' ? [] : [[name.trim(), value.join('=').trim()] as const])),
  );

const wordsOf = (shown: string, was: string, now: string, name = shown): string =>
  secret.test(name)
    ? `the setting ${shown} changed`
    : `the setting ${shown} changed from ${valueWords(was)} to ${valueWords(now)}`;

const valueWords = (value: string): string => {
  const line = value.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
  if (line === '') return '(empty)';
  return line.length > valueLimit ? `${line.slice(0, valueLimit - 1)}…` : line;
};
