/** The rules of the house as tables. Each says what to do instead. */

/** Which packages a package may import: downwards only, as ARCHITECTURE.md draws it. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  trust: ['kernel'],
  estate: ['kernel'],
  contract: ['kernel', 'estate'],
  'mysql-wire': ['kernel'],
  engines: ['kernel', 'estate', 'trust'],
  gateway: ['kernel', 'estate', 'trust', 'mysql-wire'],
  signals: ['kernel', 'estate', 'contract'],
  diagnosis: ['kernel', 'estate', 'contract'],
  proof: ['kernel', 'estate', 'trust'],
  agent: ['kernel', 'estate', 'contract', 'trust', 'engines', 'signals'],
  platform: ['kernel', 'estate', 'contract', 'trust', 'signals', 'diagnosis'],
  lab: [
    'kernel',
    'estate',
    'contract',
    'trust',
    'mysql-wire',
    'engines',
    'gateway',
    'signals',
    'diagnosis',
    'proof',
    'agent',
    'platform',
  ],
  cli: [
    'kernel',
    'estate',
    'contract',
    'trust',
    'mysql-wire',
    'engines',
    'gateway',
    'signals',
    'diagnosis',
    'proof',
    'agent',
    'platform',
    'lab',
  ],
};

/**
 * What only the tests of a package may import beside that, and with it the ground for tests on real servers that such
 * a package offers as `@coequal/NAME/testing`. Nothing that ships sees either.
 */
export const testsMayImport: Readonly<Record<string, readonly string[]>> = {
  cli: ['platform'],
  platform: ['engines'],
  'mysql-wire': ['engines'],
  gateway: ['engines'],
  signals: ['engines', 'trust'],
  agent: ['engines'],
};

/** Doors of a package beside its index.ts, for processes that must not load the rest of it. What they hand out, the index does too. */
export const doors: readonly string[] = ['@coequal/signals/collecting'];

/**
 * How close to the world a file stands. `edge`: the packages that compose (lab, cli) and every `main.ts`.
 * `adapter`: files below a folder `adapters`. `core`: everything else, which is values in, values out.
 * `test`: tests, and what only tests import.
 */
export type Standing = 'core' | 'adapter' | 'edge' | 'test';

export const edgePackages: readonly string[] = ['lab', 'cli'];

/** Where the system's clock and randomness become ports, and where these are handed out. */
export const portFiles: readonly string[] = ['packages/kernel/src/system.ts', 'packages/kernel/src/index.ts'];

export type CodeRule = {
  readonly name: string;
  /** Searched in code whose comments and texts are blanked. */
  readonly pattern: RegExp;
  readonly bannedIn: readonly Standing[];
  readonly instead: string;
};

const anywhere: readonly Standing[] = ['core', 'adapter', 'edge', 'test'];
const shipped: readonly Standing[] = ['core', 'adapter', 'edge'];

export const codeRules: readonly CodeRule[] = [
  {
    name: 'wall clock',
    pattern: /\bDate\.now\b|\bnew Date\(\s*\)/,
    bannedIn: ['core', 'adapter'],
    instead: 'take a Clock as an argument and call now()',
  },
  {
    name: 'monotonic clock',
    pattern: /\bperformance\.now\b/,
    bannedIn: ['core', 'adapter'],
    instead: 'take a Clock as an argument and call monotonic()',
  },
  {
    name: 'randomness',
    pattern: /\bMath\.random\b/,
    bannedIn: shipped,
    instead: 'take a Random as an argument; for secrets use node:crypto',
  },
  {
    name: 'system ports',
    pattern: /\bsystem(Clock|Random)\b/,
    bannedIn: ['core', 'adapter'],
    instead: 'take the Clock or Random as an argument; composition roots choose the real ones',
  },
  {
    name: 'environment',
    pattern: /\bprocess\.env\b/,
    bannedIn: ['core', 'adapter'],
    instead: 'take the values as arguments; composition roots read the environment',
  },
  {
    name: 'process',
    pattern: /(?<![.\w])process\.(?!env\b)\w/,
    bannedIn: ['core'],
    instead: 'move it into a folder named adapters, or take what it answers as an argument',
  },
  {
    name: 'timers',
    pattern: /(?<![.\w])set(Timeout|Interval|Immediate)\(/,
    bannedIn: ['core'],
    instead: 'take a Clock as an argument and await sleep(), until() or within()',
  },
  {
    name: 'fetch',
    pattern: /(?<![.\w])fetch\(/,
    bannedIn: ['core'],
    instead: 'move it into a folder named adapters',
  },
  {
    name: 'console',
    pattern: /\bconsole\.\w/,
    bannedIn: anywhere,
    instead: 'take a Log, or write to a stream that was passed in',
  },
  {
    name: 'untyped value',
    pattern: /(:|\bas|<|\||&|=>)\s*any\b(?!\s*[(.])/,
    bannedIn: anywhere,
    instead: 'use unknown and parse it in one place',
  },
  { name: 'enum', pattern: /(?<![.\w])enum\s+\w/, bannedIn: anywhere, instead: 'use a union of literal types' },
  { name: 'namespace', pattern: /(?<![.\w])namespace\s+\w/, bannedIn: anywhere, instead: 'use a module' },
  {
    name: 'swallowed error',
    pattern: /\bcatch\s*(\([^)]*\))?\s*\{\s*\}|\.catch\(\s*\(\s*\)\s*=>\s*\{\s*\}\s*\)/,
    bannedIn: anywhere,
    instead: 'handle the codes that are expected and throw the rest; say why in a comment',
  },
  {
    name: 'default export',
    pattern: /\bexport\s+default\b/,
    bannedIn: anywhere,
    instead: 'export it by name',
  },
];

/** Searched in the whole text, comments included. */
export const textRules: readonly { readonly name: string; readonly pattern: RegExp; readonly instead: string }[] = [
  {
    name: 'silenced compiler',
    pattern: /@ts-(ignore|expect-error|nocheck)/,
    instead: 'make the types say what is true',
  },
  {
    name: 'unfinished',
    pattern: /\b(TODO|FIXME|XXX|HACK)\b/,
    instead: 'do it now, or write down as a limit what is missing',
  },
  {
    name: 'path of one machine',
    pattern: /(?<![\w.~/})>-])\/(work|root|Users|home\/[a-z]\w*)\//,
    instead: 'use a relative path, or a placeholder such as ~/estate',
  },
];

/** Modules of Node that touch the world; the names after a colon are pure and welcome everywhere. */
export const worldModules: Readonly<Record<string, readonly string[]>> = {
  'node:fs': [],
  'node:fs/promises': [],
  'node:net': ['BlockList', 'isIP', 'isIPv4', 'isIPv6'],
  'node:child_process': [],
  'node:dgram': [],
  'node:tls': [],
  'node:http': [],
  'node:https': [],
  'node:http2': [],
  'node:os': ['constants', 'EOL'],
  'node:readline': [],
  'node:readline/promises': [],
  'node:timers': [],
  'node:timers/promises': [],
  'node:worker_threads': [],
  'node:cluster': [],
  mysql2: [],
  'mysql2/promise': [],
  pg: [],
};

export const limits = { lines: 600, fileBytes: 400 * 1_024 };

/** Files that a person may run; everything else has no executable bit. */
export const executables: readonly RegExp[] = [/^bin\//, /^\.ci\/run$/];

export const largeFiles: readonly RegExp[] = [/^package-lock\.json$/];

/** Documents that name every package, by the file's path. */
export const namesEveryPackage: readonly string[] = ['README.md', 'ARCHITECTURE.md'];
