/** The checks: files in, findings out. Each finding says where, what, and what to do instead. Pure. */
import {
  codeRules,
  doors,
  edgePackages,
  executables,
  largeFiles,
  limits,
  mayImport,
  namesEveryPackage,
  portFiles,
  type Standing,
  testsMayImport,
  textRules,
  worldModules,
} from './rules.ts';
import {
  anchorOf,
  blank,
  fileTextsOf,
  headingsOf,
  importsOf,
  lineAt,
  linksOf,
  resolve,
  type SourceFile,
} from './source.ts';

export type Finding = string;

export const isTest = (path: string): boolean => path.endsWith('.test.ts');

export const packageOf = (path: string): string | undefined => /^packages\/([^/]+)\/src\//.exec(path)?.[1];

const isRoot = (path: string): boolean =>
  /^packages\/[^/]+\/src\/index\.ts$/.test(path) || path.endsWith('/main.ts') || path.endsWith('.config.ts');

/** Files reached by imports and by their names in texts, starting from some. */
const reach = (files: readonly SourceFile[], starts: (path: string) => boolean): ReadonlySet<string> => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const waiting = files.map(({ path }) => path).filter(starts);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    const named = [...importsOf(file.text).map(({ from }) => from), ...fileTextsOf(file.text)];
    for (const to of named) if (to.startsWith('.')) waiting.push(resolve(path, to));
  }
  return reached;
};

/** Shipped files, and those that only tests use. A file that neither reaches is dead. */
export const standings = (files: readonly SourceFile[]): ReadonlyMap<string, Standing> => {
  const fromRoots = reach(files, isRoot);
  return new Map(files.map(({ path }) => [path, fromRoots.has(path) ? standingOf(path) : 'test']));
};

const standingOf = (path: string): Standing => {
  if (path.endsWith('/main.ts') || edgePackages.includes(packageOf(path) ?? '') || path.endsWith('.config.ts'))
    return 'edge';
  return path.includes('/adapters/') ? 'adapter' : 'core';
};

export const checkDeadFiles = (files: readonly SourceFile[]): readonly Finding[] => {
  const reached = reach(files, (path) => isRoot(path) || isTest(path));
  return files
    .filter(({ path }) => !reached.has(path))
    .map(({ path }) => `${path}: no index.ts, main.ts or test reaches this file; import it or delete it`);
};

export const checkImports = (files: readonly SourceFile[]): readonly Finding[] => {
  const standing = standings(files);
  return files.flatMap((file) => {
    const own = packageOf(file.path);
    if (own === undefined) return [];
    return importsOf(file.text).flatMap(({ from, line }) => {
      if (standing.get(file.path) === 'test' && isForTests(own, from)) return [];
      const problem = importProblem(own, file.path, from);
      return problem === undefined ? [] : [`${file.path}:${line}: imports ${from}: ${problem}`];
    });
  });
};

const isForTests = (own: string, from: string): boolean =>
  (testsMayImport[own] ?? []).some((other) => [`@coequal/${other}`, `@coequal/${other}/testing`].includes(from));

const importProblem = (own: string, path: string, from: string): string | undefined => {
  const other = /^@coequal\/([^/]+)(\/.*)?$/.exec(from);
  if (other !== null) {
    if (other[1] === own) return 'inside a package, import by relative path';
    if (other[2] !== undefined && !doors.includes(from))
      return 'import the package by its name; only what its index.ts exports is public';
    const allowed = mayImport[own];
    if (allowed === undefined) return `give ${own} a line in mayImport (test/tidy/rules.ts) and in ARCHITECTURE.md`;
    if (allowed.includes(other[1] ?? '')) return undefined;
    return `${own} may import ${allowed.join(', ') || 'nothing'}; move the code down, or pass the value in`;
  }
  if (!from.startsWith('.')) return undefined;
  if (!from.endsWith('.ts')) return 'name the file with its ending .ts';
  const target = packageOf(resolve(path, from));
  return target === own ? undefined : 'import another package by its name, not by path';
};

/** What a package imports is what its package.json names. */
export const checkDependencies = (
  files: readonly SourceFile[],
  manifests: ReadonlyMap<string, { readonly dependencies: readonly string[] }>,
): readonly Finding[] =>
  [...manifests].flatMap(([name, { dependencies }]) => {
    const own = files.filter(({ path }) => packageOf(path) === name);
    const standing = standings(files);
    const imported = (list: readonly SourceFile[]): Set<string> =>
      new Set(
        list.flatMap(({ text }) =>
          importsOf(text)
            .map(({ from }) => bareName(from))
            .filter((from) => from !== ''),
        ),
      );
    const all = imported(own);
    const missing = [...imported(own.filter(({ path }) => standing.get(path) !== 'test'))]
      .filter((one) => !dependencies.includes(one))
      .map((one) => `packages/${name}/package.json: ${one} is imported; add it to dependencies`);
    const unused = dependencies
      .filter((one) => !all.has(one))
      .map((one) => `packages/${name}/package.json: nothing imports ${one}; remove it from dependencies`);
    return [...missing, ...unused];
  });

/** The package of a bare import; the empty text for relative ones and Node's own. */
const bareName = (from: string): string => {
  if (from.startsWith('.') || from.startsWith('node:')) return '';
  return from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/');
};

export const checkCode = (file: SourceFile, standing: Standing): readonly Finding[] => {
  if (portFiles.includes(file.path)) return [];
  const code = blank(file.text, 'comments and texts');
  const found = codeRules
    .filter(({ bannedIn }) => bannedIn.includes(standing))
    .flatMap((rule) =>
      matches(code, rule.pattern).map((line) => `${file.path}:${line}: ${rule.name}: ${rule.instead}`),
    );
  const modules = standing === 'core' ? worldImports(file) : [];
  return [...found, ...modules];
};

const worldImports = (file: SourceFile): readonly Finding[] =>
  importsOf(file.text).flatMap(({ from, names, line }) => {
    const pure = worldModules[from];
    if (pure === undefined || (names.length > 0 && names.every((name) => pure.includes(name)))) return [];
    return [`${file.path}:${line}: ${from} touches the world: move it into a folder named adapters`];
  });

const matches = (text: string, pattern: RegExp): readonly number[] =>
  [...text.matchAll(new RegExp(pattern, 'g'))].map(({ index }) => lineAt(text, index));

export const checkText = (file: SourceFile): readonly Finding[] =>
  textRules.flatMap((rule) =>
    matches(file.text, rule.pattern).map((line) => `${file.path}:${line}: ${rule.name}: ${rule.instead}`),
  );

export const checkShape = (file: SourceFile): readonly Finding[] => {
  const body = file.text.replace(/^#!.*\n/, '');
  const lines = file.text.split('\n').length - 1;
  const findings: string[] = [];
  if (!isTest(file.path) && !isListOfExports(body) && !/^\/(\*\*|\/)/.test(body)) {
    findings.push(
      `${file.path}: open the file with a comment: what it is, what it keeps true, what it leaves to others`,
    );
  }
  if (lines > limits.lines)
    findings.push(`${file.path}: ${lines} lines; above ${limits.lines}, find the second concept in it`);
  return findings;
};

/** The names of tests say what they are, and a list of exports needs no introduction. */
const isListOfExports = (body: string): boolean =>
  blank(body, 'comments')
    .replaceAll(/export\s+(type\s+)?(\{[^}]*\}|\*)\s+from\s+'[^']+';/g, '')
    .trim() === '';

export type Entry = { readonly path: string; readonly bytes: number; readonly executable: boolean };

export const checkEntry = ({ path, bytes, executable }: Entry): readonly Finding[] => {
  const mayRun = executables.some((pattern) => pattern.test(path));
  const findings: string[] = [];
  if (executable !== mayRun)
    findings.push(`${path}: chmod ${mayRun ? '+x: it is run by people' : '-x: nobody runs it by itself'}`);
  if (bytes > limits.fileBytes && !largeFiles.some((pattern) => pattern.test(path))) {
    findings.push(`${path}: ${bytes} bytes; keep large files out of the repository, or generate them`);
  }
  return findings;
};

export const checkMarkdown = (file: SourceFile, documents: ReadonlyMap<string, string>, paths: ReadonlySet<string>) => [
  ...checkHeadings(file),
  ...checkLinks(file, documents, paths),
];

const checkHeadings = (file: SourceFile): readonly Finding[] => {
  const headings = headingsOf(file.text);
  const findings: string[] = [];
  const titles = headings.filter(({ level }) => level === 1).length;
  if (titles !== 1 || headings[0]?.level !== 1)
    findings.push(`${file.path}: begin with one heading of level 1, and have no second one`);
  for (const [index, { level, line, text }] of headings.entries()) {
    const before = headings[index - 1]?.level ?? 0;
    if (level > before + 1) findings.push(`${file.path}:${line}: "${text}" skips a level; make it level ${before + 1}`);
  }
  return findings;
};

const checkLinks = (
  file: SourceFile,
  documents: ReadonlyMap<string, string>,
  paths: ReadonlySet<string>,
): readonly Finding[] =>
  linksOf(file.text).flatMap(({ to, line }) => {
    if (/^[a-z][a-z0-9+.-]*:/i.test(to)) return [];
    const [target = '', fragment] = to.split('#');
    const path = target === '' ? file.path : resolve(file.path, target);
    if (!paths.has(path)) return [`${file.path}:${line}: the link ${to} leads nowhere; correct or remove it`];
    const document = documents.get(path);
    if (fragment === undefined || document === undefined) return [];
    const known = headingsOf(document).some(({ text }) => anchorOf(text) === fragment);
    return known ? [] : [`${file.path}:${line}: ${path} has no heading #${fragment}; correct the link`];
  });

export const checkNames = (documents: ReadonlyMap<string, string>, packages: readonly string[]): readonly Finding[] =>
  namesEveryPackage.flatMap((path) => {
    const text = documents.get(path);
    if (text === undefined) return [`${path}: this document is missing`];
    return packages
      .filter((name) => !text.includes(`packages/${name}`))
      .map((name) => `${path}: say what packages/${name} is for`);
  });

type LockEntry = { readonly optionalDependencies?: Readonly<Record<string, string>>; readonly resolved?: string };

/** `npm ci` refuses a lockfile with holes, and a lockfile with hosts binds everybody to one registry. */
export const checkLockfile = (packages: Readonly<Record<string, LockEntry>>): readonly Finding[] =>
  Object.entries(packages).flatMap(([path, entry]) => [
    ...Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages))
      .map((name) => `package-lock.json: ${path || 'the root'} may depend on ${name}, which has no entry; add it`),
    ...(entry.resolved?.startsWith('http') === true
      ? [`package-lock.json: ${path} names a host; set omit-lockfile-registry-resolved and lock again`]
      : []),
  ]);

/** Values that a package exports and that nobody imports, not even a test. Types may stand for themselves. */
export const checkExports = (files: readonly SourceFile[]): readonly Finding[] => {
  const byPath = new Map(files.map((file) => [file.path, file.text]));
  const imports = files.flatMap(({ text }) => importsOf(text).filter(({ handedOn }) => !handedOn));
  // A package that is loaded when it is first needed (`import('@coequal/lab')`) is used through the members of its value.
  const loadsLater = files.some(({ text }) => /\bimport\('@coequal\/[a-z-]+'\)/.test(text));
  const members = loadsLater
    ? files.flatMap(({ text }) => [...text.matchAll(/\.(\w+)\(/g)].map((match) => match[1] ?? ''))
    : [];
  const used = new Set([...imports.flatMap(({ names }) => names), ...members]);
  return files
    .filter(({ path }) => /^packages\/[^/]+\/src\/index\.ts$/.test(path))
    .flatMap(({ path }) =>
      exportedValues(path, byPath)
        .filter((name) => !used.has(name))
        .map((name) => `${path}: nobody imports ${name}; do not export it, or delete it`),
    );
};

const exportedValues = (path: string, texts: ReadonlyMap<string, string>): readonly string[] => {
  const code = blank(texts.get(path) ?? '', 'comments');
  const named = [...code.matchAll(/^export\s+\{([^}]*)\}/gm)].flatMap((match) =>
    (match[1] ?? '')
      .split(',')
      .map((piece) => piece.trim())
      .filter((piece) => piece !== '' && !piece.startsWith('type ')),
  );
  const starred = [...code.matchAll(/^export\s+\*\s+from\s+'([^']+)'/gm)].flatMap((match) =>
    exportedValues(resolve(path, match[1] ?? ''), texts),
  );
  return [...named.map((piece) => piece.split(/\s+as\s+/)[1] ?? piece), ...starred];
};
