/**
 * One frame of the live view: a pure function from a snapshot to lines. State is told by shape, place and word
 * first, by colour second. Heights do not depend on what happens, so nothing jumps when something breaks; and no
 * line is wider, no frame higher, than the terminal.
 */
import type { InstanceState } from '@coequal/estate';
import { formatDuration } from '@coequal/kernel';
import type { BankSnapshot, ClientsSnapshot, GatewaySnapshot, LabSnapshot, SiteSnapshot } from '@coequal/lab';
import { counted, formatCount, formatLatency, formatMoney, formatRate } from '../numbers.ts';
import { connectCommand, doorsOf } from './connect.ts';
import {
  cut,
  fit,
  joinFitting,
  type Line,
  lineWidth,
  type Piece,
  padEnd,
  padStart,
  paint,
  piece,
  type Style,
} from './text.ts';

export type FrameInput = {
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
  /** Index of the site that keys act on. */
  readonly selected: number;
  /** What the last key did, or the question that waits for an answer. */
  readonly message: { readonly text: string; readonly style: Style } | null;
  /** Transactions a second of each site, one figure a second, newest last. */
  readonly history: ReadonlyMap<string, readonly number[]>;
  readonly help: boolean;
};

/** The whole frame, at most `rows` lines of at most `columns` cells. */
export const renderFrame = (snapshot: LabSnapshot, input: FrameInput): readonly string[] => {
  const { columns, rows } = input;
  const bottom = [messageLine(input), keysLine(input)].slice(0, Math.max(0, rows - snapshot.sites.length));
  // On a low terminal the sites matter more than the words around them.
  const roomAbove = Math.max(0, rows - bottom.length - snapshot.sites.length);
  const top = [headerLine(snapshot, columns), ...bankLines(snapshot, columns), connectLine(snapshot, columns)].slice(
    0,
    roomAbove,
  );
  const middleRows = Math.max(0, rows - top.length - bottom.length);
  const middle = input.help ? helpLines(snapshot) : middleLines(snapshot, input, middleRows);
  const filled = [...middle, ...Array.from({ length: middleRows }, (): Line => [])].slice(0, middleRows);
  return [...top, ...filled, ...bottom].slice(0, rows).map((line) => paint(fit(line, columns), input.colour));
};

const headerLine = (snapshot: LabSnapshot, columns: number): Line =>
  joinFitting(
    [
      piece('Coequal', 'accent'),
      piece(`lab ${snapshot.name}`, 'strong'),
      piece(`${snapshot.mode} mode`, snapshot.mode === 'full' ? 'plain' : 'warn'),
      piece(`preset ${snapshot.preset}`),
      piece(`up ${formatDuration(snapshot.upMs)}`),
      ...snapshot.limits.map((limit) => piece(limit, 'faint')),
    ],
    columns,
    ' ',
    ' · ',
  );

const bankLines = ({ bank, at }: LabSnapshot, columns: number): readonly Line[] => {
  if (bank === null) return [[piece(' No bank is at work: the lab was started without one.', 'faint')], []];
  return [
    [piece(' Money: '), piece(moneyText(bank), 'strong'), piece(' — '), ...verdict(bank, at)],
    joinFitting([piece(`acknowledged ${formatCount(bank.acknowledged)}`), lookedUp(bank)], columns, ' ', ' · '),
  ];
};

const moneyText = (bank: BankSnapshot): string =>
  `${bank.balance === null ? '?' : formatMoney(bank.balance)} of ${formatMoney(bank.expectedBalance)}`;

const lookedUp = ({ verified, missing }: BankSnapshot): Piece =>
  piece(
    `${formatCount(verified)} looked up at another site, ${formatCount(missing)} missing`,
    missing > 0 ? 'bad' : 'plain',
  );

const verdict = (bank: BankSnapshot, at: number): Line => {
  const age = bank.checkedAt === null ? '' : ` (${ageText(at - bank.checkedAt)})`;
  if (bank.exact === true) return [piece('exact', 'good'), piece(age, 'faint')];
  if (bank.exact === false) return [piece('NOT EXACT: money and ledger disagree', 'bad'), piece(age, 'faint')];
  return [piece('could not be read just now', 'warn'), piece(age, 'faint')];
};

/** Whole seconds: an age that flickers between tenths says nothing. */
const ageText = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  return `${seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1_000)} ago`;
};

const connectLine = ({ user, password, database, authorityPath }: LabSnapshot, columns: number): Line =>
  joinFitting(
    [
      piece(`Connect: user ${user}, password ${password}, database ${database}`, 'faint'),
      ...(authorityPath === null ? [] : [piece(`TLS authority ${authorityPath}`, 'faint')]),
    ],
    columns,
    ' ',
    ' · ',
  );

/** The sites as roomily as they fit, then the latest events in what is left. */
const middleLines = (snapshot: LabSnapshot, input: FrameInput, rows: number): readonly Line[] => {
  const count = snapshot.sites.length;
  const whole = snapshot.sites.some(({ gateways }) => gateways.length > 0) ? 5 : 4;
  const linesEach =
    rows >= count * whole + 2 ? whole : Math.max(1, Math.min(whole - 1, Math.floor(rows / Math.max(1, count))));
  const blocks = snapshot.sites.flatMap((site, index) => siteBlock(snapshot, site, index, input).slice(0, linesEach));
  const above: readonly Line[] = linesEach === whole && rows > count * whole + 2 ? [[]] : [];
  if (blocks.length > rows) {
    const shown = blocks.slice(0, Math.max(0, rows - 1));
    return [...shown, [piece(` and ${counted(count - shown.length, 'more site')}`, 'faint')]];
  }
  return [...above, ...blocks, ...eventLines(snapshot, rows - blocks.length - above.length)];
};

/** The site, its clients' figures, its gateways where labs have them, trouble or how to connect, an empty line. */
const siteBlock = (snapshot: LabSnapshot, site: SiteSnapshot, index: number, input: FrameInput): readonly Line[] => [
  siteLine(snapshot, site, index, input),
  clientsLine(site.clients, input.columns),
  ...(snapshot.sites.some(({ gateways }) => gateways.length > 0) ? [gatewaysLine(site, input.columns)] : []),
  detailLine(snapshot, site, input.columns),
  [],
];

type Shape = { readonly shape: string; readonly style: Style; readonly words: string };

const shapes: Readonly<Record<InstanceState, Shape>> = {
  serving: { shape: '●', style: 'good', words: 'serving' },
  slow: { shape: '●', style: 'warn', words: 'slow' },
  donating: { shape: '◐', style: 'good', words: 'donating' },
  'catching-up': { shape: '◐', style: 'warn', words: 'catching up' },
  joining: { shape: '◐', style: 'warn', words: 'joining' },
  starting: { shape: '◐', style: 'warn', words: 'starting' },
  silent: { shape: '⏸', style: 'bad', words: 'silent' },
  isolated: { shape: '✕', style: 'bad', words: 'isolated' },
  foreign: { shape: '✕', style: 'bad', words: 'foreign' },
  gone: { shape: '○', style: 'bad', words: 'gone' },
  stopped: { shape: '○', style: 'warn', words: 'stopped' },
};

/** A state with its shape, for lines outside the frame too. */
export const stateWords = (state: InstanceState): string => shapes[state].words;

const sparkSeconds = 30;

const siteLine = (snapshot: LabSnapshot, site: SiteSnapshot, index: number, input: FrameInput): Line => {
  const selected = index === input.selected;
  const nameWidth = Math.min(16, Math.max(6, ...snapshot.sites.map(({ name }) => name.length)));
  const { shape, style, words } = shapes[site.state];
  const left: Line = [
    piece(selected ? '▸' : ' ', 'accent'),
    piece(`${index + 1} `, selected ? 'accent' : 'faint'),
    piece(`${shape} `, style),
    piece(`${padEnd(cut(site.name, nameWidth), nameWidth)} `, 'strong'),
    piece(padEnd(words, 11), style),
    piece(padStart(rateText(site.clients), 11)),
    piece(' '),
  ];
  const rtt = piece(`  RTT ${formatDuration(site.rttMs)}`, 'faint');
  const room = input.columns - lineWidth(left) - lineWidth([rtt]);
  const spark = sparkline(input.history.get(site.name) ?? [], highest(input.history), Math.min(sparkSeconds, room));
  return room < 0 ? left : [...left, piece(spark, 'accent'), rtt];
};

const rateText = (clients: ClientsSnapshot | null): string => {
  if (clients === null) return '';
  return clients.alive ? `${formatRate(clients.transactionsPerSecond)} tx/s` : '–';
};

const highest = (history: FrameInput['history']): number => Math.max(1, ...[...history.values()].flat());

const bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** The last figures as bars against the highest of all sites; a second without any transaction is an empty place. */
export const sparkline = (figures: readonly number[], top: number, cells: number): string =>
  cells <= 0
    ? ''
    : figures
        .slice(-cells)
        .map((figure) =>
          figure <= 0 ? ' ' : (bars[Math.min(bars.length - 1, Math.floor((figure / top) * bars.length))] ?? ' '),
        )
        .join('')
        .padStart(cells, ' ');

const indent = '     ';

const clientsLine = (clients: ClientsSnapshot | null, columns: number): Line => {
  if (clients === null) return [piece(`${indent}no clients here`, 'faint')];
  if (!clients.alive)
    return [
      piece(
        `${indent}clients are gone with their site; ${formatCount(clients.acknowledged)} acknowledged before`,
        'bad',
      ),
    ];
  return joinFitting(
    [
      piece(`max pause ${formatDuration(clients.longestPauseMs)}`, clients.longestPauseMs > 900 ? 'warn' : 'plain'),
      piece(`p50/p99 ${formatLatency(clients.p50Ms)}/${formatLatency(clients.p99Ms)} ms`),
      piece(`errors ${formatCount(clients.errors)}`, clients.errors > 0 ? 'warn' : 'plain'),
      piece(`in doubt ${formatCount(clients.inDoubt)}`),
      piece(`conflicts ${formatCount(clients.conflicts)}`, 'faint'),
    ],
    columns,
    indent,
  );
};

/** The gateways, what they hid, and beside it what the same site's direct clients saw. */
const gatewaysLine = ({ gateways, direct }: SiteSnapshot, columns: number): Line => {
  if (gateways.length === 0) return [piece(`${indent}no gateways here`, 'faint')];
  const sum = (count: (gateway: GatewaySnapshot) => number): string =>
    formatCount(gateways.reduce((total, gateway) => total + count(gateway), 0));
  const bad = gateways.filter(({ state }) => state !== 'serving');
  return joinFitting(
    [
      piece(
        `gateways ${gateways.map(({ state }) => shapes[state].shape).join('')}`,
        bad.length === 0 ? 'good' : bad.length < gateways.length ? 'warn' : 'bad',
      ),
      ...(direct === null
        ? []
        : [
            piece(
              `direct: max pause ${formatDuration(direct.longestPauseMs)} errors ${formatCount(direct.errors)}`,
              direct.errors > 0 ? 'warn' : 'plain',
            ),
          ]),
      // What was hidden from clients: transactions sent again, outcomes decided, conflicts.
      piece(`replays ${sum(({ replays }) => replays)}`),
      piece(`outcomes ${sum(({ outcomes }) => outcomes)}`),
      piece(`hidden ${sum(({ hidden }) => hidden)}`),
      ...bad.map(({ name, state }) => piece(`${name} ${shapes[state].words}`, 'warn')),
      piece(`${sum(({ sessions }) => sessions ?? 0)} sessions`, 'faint'),
    ],
    columns,
    indent,
  );
};

/** Clients that wait longer than this are shown to wait. */
const pauseShownMs = 300;

/** What is wrong, if anything is; how to connect otherwise, and beside it where there is room. */
const detailLine = (snapshot: LabSnapshot, site: SiteSnapshot, columns: number): Line => {
  const pause = site.clients?.alive === true ? (site.clients.sinceAckMs ?? 0) : 0;
  const broken =
    site.state !== 'serving' ? site.instances.find(({ state }) => state === site.state)?.reason : undefined;
  const trouble = [
    ...site.faults.map((fault) => piece(`! ${fault}`, 'bad')),
    ...(pause > pauseShownMs ? [piece(`no answer for ${formatDuration(pause)}`, 'warn')] : []),
    ...(broken === undefined ? [] : [piece(cut(broken, 60), 'warn')]),
    ...otherInstances(site),
  ];
  const connect = doorsOf(site)
    .slice(0, 1)
    .map((door) => piece(connectCommand(snapshot, door), 'faint'));
  return joinFitting([...trouble, ...connect], columns, indent);
};

/** Where a site has several instances, the states of all of them. */
const otherInstances = ({ instances }: SiteSnapshot): readonly Piece[] =>
  instances.length < 2 ? [] : [piece(instances.map(({ name, state }) => `${name} ${shapes[state].words}`).join(', '))];

const eventLines = ({ events, at }: LabSnapshot, rows: number): readonly Line[] => {
  if (rows < 2) return [];
  const latest = events.slice(-(rows - 1)).toReversed();
  const lines = latest.map((event): Line => {
    return [
      piece(padStart(ageText(at - event.at), 16), 'faint'),
      piece('  '),
      ...(event.site === null ? [] : [piece(`${event.site}: `, 'strong')]),
      piece(event.text),
    ];
  });
  return [[piece(latest.length === 0 ? ' Nothing has happened yet.' : ' Latest', 'faint')], ...lines];
};

const messageLine = ({ message }: FrameInput): Line =>
  message === null ? [] : [piece(` ${message.text}`, message.style)];

const keysLine = ({ help, columns }: FrameInput): Line =>
  joinFitting(
    (help
      ? ['? back', 'q quit']
      : // In the order in which they are given up where they do not all fit.
        [
          '1-9 site',
          'k kill',
          'h hang',
          'p cut',
          'w cut all',
          'x heal',
          'a heal all',
          '? help',
          'q quit',
          's stop',
          'g gateway',
        ]
    ).map((text) => piece(text, 'faint')),
    columns,
    ' ',
  );

const helpLines = (snapshot: LabSnapshot): readonly Line[] => {
  const keys: readonly (readonly [string, string])[] = [
    ['1-9, ↑ ↓', 'choose a site'],
    ['k', 'kill its database (no warning); x brings it back'],
    ['s', 'stop its database in order'],
    ['h', 'hang its database: it holds connections and never answers'],
    ['p', 'cut its database off the network'],
    ['w', 'cut the whole site off, its clients with it'],
    ['g', 'kill its first gateway; its clients have another one'],
    ['x  a', 'heal the site · heal everything'],
    ['q', 'end the lab; Ctrl-C too'],
  ];
  return [
    [],
    ...keys.map(([key, words]): Line => [piece(`  ${padEnd(key, 10)}`, 'strong'), piece(words)]),
    [],
    ...snapshot.sites.flatMap((site) =>
      doorsOf(site).map(
        (door): Line => [piece(`  ${padEnd(site.name, 10)}`, 'strong'), piece(connectCommand(snapshot, door))],
      ),
    ),
    ...snapshot.limits.map((limit): Line => [piece(`  ${limit}`, 'warn')]),
  ];
};
