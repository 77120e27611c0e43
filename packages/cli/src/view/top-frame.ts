/**
 * One frame of `coequal top`: a pure function from what the platform says to lines. The worst first in every list; what is wrong is told by
 * shape, place and word before colour; figures that are not known are a dash, and what is old says how old. No line is wider, no frame
 * higher, than the terminal.
 */
import type {
  DatabaseDetail,
  GatewayState,
  HostState,
  IncidentSummary,
  InstanceStateView,
  Level,
  Overview,
  ServiceState,
} from '@coequal/contract';
import { ageText } from '../commands/incident-text.ts';
import { formatCount, formatRate } from '../numbers.ts';
import {
  cut,
  displayWidth,
  fit,
  joinFitting,
  type Line,
  type Piece,
  padEnd,
  padStart,
  paint,
  piece,
  type Style,
} from './text.ts';
import type { TopState } from './top-keys.ts';

export type TopData = {
  readonly overview: Overview;
  readonly incidents: readonly IncidentSummary[];
  /** Of the instance that is looked at, the newest reading. */
  readonly detail: DatabaseDetail | undefined;
};

export type TopInput = TopState & {
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
  readonly nowMs: number;
  /** Why nothing new comes; undefined while it does. */
  readonly problem: string | undefined;
};

const rank: Readonly<Record<Level, number>> = { act: 0, watch: 1, unknown: 2, fine: 3 };
const marks: Readonly<Record<Level, Piece>> = {
  act: piece('✖', 'bad'),
  watch: piece('▲', 'warn'),
  unknown: piece('?', 'faint'),
  fine: piece('●', 'good'),
};
const styles: Readonly<Record<Level, Style>> = { act: 'bad', watch: 'warn', unknown: 'faint', fine: 'plain' };

/** The worst first; of equals by name, so that nothing jumps without a reason. */
export const worstFirst = <T extends { readonly level: Level; readonly name: string }>(
  all: readonly T[],
): readonly T[] => all.toSorted((a, b) => rank[a.level] - rank[b.level] || (a.name < b.name ? -1 : 1));

export const renderTop = (data: TopData | undefined, input: TopInput): readonly string[] => {
  const { columns, rows } = input;
  const bottom: readonly Line[] = [keysLine(input)];
  const top = headLines(data, input);
  const room = Math.max(0, rows - top.length - bottom.length);
  const middle = input.help ? helpLines() : data === undefined ? [] : middleLines(data, input, room);
  const filled = [...middle, ...Array.from({ length: room }, (): Line => [])].slice(0, room);
  return [...top, ...filled, ...bottom].slice(0, rows).map((line) => paint(fit(line, columns), input.colour));
};

/** From here on what is shown is old, and says so. */
const oldMs = 3_000;

const headLines = (data: TopData | undefined, { columns, nowMs, problem }: TopInput): readonly Line[] => {
  const name = data === undefined ? [] : [piece(data.overview.estate, 'strong')];
  const ageMs = data === undefined ? 0 : nowMs - data.overview.atMs;
  const age = ageMs > oldMs ? [piece(`as of ${ageText(ageMs)} ago`, 'warn')] : [];
  const head = joinFitting([piece('Coequal', 'accent'), ...name, piece(clockText(nowMs)), ...age], columns, ' ', ' · ');
  if (problem !== undefined) return [head, [piece(` ${problem}`, 'bad')]];
  if (data === undefined) return [head, [piece(' Asking the platform …', 'faint')]];
  const { level, sentence } = data.overview;
  return [head, [piece(' '), marks[level], piece(' '), piece(sentence, level === 'fine' ? 'strong' : styles[level])]];
};

const clockText = (ms: number): string => new Date(ms).toTimeString().slice(0, 8);

const middleLines = (data: TopData, input: TopInput, room: number): readonly Line[] => {
  const { overview, incidents } = data;
  const list = incidentLines(incidents, input);
  const sites = [siteLine(overview, input.columns)];
  const sections = [
    ...(list.length === 0 ? [] : [list]),
    sites,
    serviceLines(worstFirst(overview.services), input.columns),
    instanceLines(worstFirst(overview.instances), input),
  ];
  const last = input.panel === 'overview' ? restLines(overview, input.columns) : detailLines(data, input);
  return fill(sections, last, room);
};

/** Sections with a blank line between while there is room; the last one gets what is left. */
const fill = (sections: readonly (readonly Line[])[], last: readonly Line[], room: number): readonly Line[] => {
  const needed = sections.reduce((sum, lines) => sum + lines.length, 0);
  const airy = needed + sections.length + Math.min(last.length, 4) <= room;
  const lines = sections.flatMap((section): readonly Line[] => (airy ? [[], ...section] : section));
  const left = room - lines.length - (airy ? 1 : 0);
  return left <= 0 ? lines : [...lines, ...(airy ? [[]] : []), ...last.slice(0, left)];
};

const incidentsShown = 4;

const incidentLines = (incidents: readonly IncidentSummary[], { nowMs, columns }: TopInput): readonly Line[] => {
  const shown = incidents
    .slice(0, incidentsShown)
    .flatMap(({ startedMs, severity, title, state, sentence, assignee }): readonly Line[] => {
      const style: Style = severity === 'critical' ? 'bad' : 'warn';
      const who = state === 'acknowledged' ? ` (${assignee ?? 'seen'})` : '';
      const head: Line = [
        piece(padStart(ageText(nowMs - startedMs), 8), style),
        piece(severity === 'critical' ? ' ✖ ' : ' ▲ ', style),
        piece(title, 'strong'),
        piece(who, 'faint'),
      ];
      return sentence === undefined
        ? [head]
        : [head, ...wrapped(sentence, columns - 12).map((text): Line => [piece(' '.repeat(11)), piece(text)])];
    });
  const more = incidents.length - incidentsShown;
  return more > 0 ? [...shown, [piece(`${' '.repeat(11)}and ${more} more`, 'faint')]] : shown;
};

const sentenceLines = 2;

/** Words on at most two lines; what is cut off is marked. */
const wrapped = (text: string, width: number): readonly string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (displayWidth(longer) <= width || line === '') line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  lines.push(line);
  if (lines.length <= sentenceLines) return lines;
  return [...lines.slice(0, sentenceLines - 1), cut(lines.slice(sentenceLines - 1).join(' '), width)];
};

const siteLine = ({ sites }: Overview, columns: number): Line =>
  joinFitting(
    worstFirst(sites).map(({ name, level, state }) => {
      const word = level === 'fine' ? '' : ` ${state}`;
      return piece(`${marks[level].text} ${name}${word}`, level === 'fine' ? 'good' : styles[level]);
    }),
    columns,
    ' ',
    '   ',
  );

type Column<T> = {
  readonly title: string;
  readonly right?: true;
  readonly cell: (row: T) => string;
  /** Columns with a larger number go first where there is no room. */
  readonly weight: number;
};

/** A table whose least important columns give way to the terminal; names are never cut before them. */
const table = <T extends { readonly level: Level }>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  width: number,
  selected?: (row: T) => boolean,
): readonly Line[] => {
  const sized = columns.map((column) => ({
    ...column,
    width: Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(column.cell(row)))),
  }));
  const kept = new Set(sized);
  const total = (): number => [...kept].reduce((sum, one) => sum + one.width + 2, 4);
  for (const one of sized.toSorted((a, b) => b.weight - a.weight))
    if (total() > width && one.weight > 0) kept.delete(one);
  const cells = (text: (column: (typeof sized)[number]) => string): string =>
    sized
      .filter((one) => kept.has(one))
      .map((one) => (one.right === true ? padStart(text(one), one.width) : padEnd(text(one), one.width)))
      .join('  ');
  return [
    [piece(`    ${cells(({ title }) => title)}`, 'faint')],
    ...rows.map(
      (row): Line => [
        piece(selected?.(row) === true ? '▸' : ' ', 'accent'),
        marks[row.level],
        piece('  '),
        piece(
          cells(({ cell }) => cell(row)),
          selected?.(row) === true ? 'strong' : styles[row.level],
        ),
      ],
    ),
  ];
};

const dash = '–';
const count = (value: number | null): string => (value === null ? dash : formatCount(Math.round(value)));
const rate = (value: number | null): string => (value === null ? dash : formatRate(value));
const latency = (seconds: number | null): string =>
  seconds === null ? dash : seconds < 1 ? `${Number((seconds * 1_000).toPrecision(2))} ms` : `${seconds.toFixed(1)} s`;
const percent = (share: number | null): string => (share === null ? dash : `${Math.round(share * 100)} %`);
const why = ({ level, reasons }: { readonly level: Level; readonly reasons: readonly string[] }): string =>
  level === 'fine' ? '' : (reasons[0] ?? '');

const serviceLines = (services: readonly ServiceState[], width: number): readonly Line[] =>
  table(
    services,
    [
      { title: 'SERVICE', cell: ({ name }) => name, weight: 0 },
      { title: 'STATE', cell: ({ state }) => state, weight: 0 },
      { title: 'SERVING', right: true, cell: ({ serving, instances }) => `${serving} of ${instances}`, weight: 1 },
      { title: 'TX/S', right: true, cell: ({ transactionsPerSecond }) => rate(transactionsPerSecond), weight: 2 },
      { title: 'LATENCY', right: true, cell: ({ latencySeconds }) => latency(latencySeconds), weight: 3 },
      { title: 'ERRORS/S', right: true, cell: ({ errorsPerSecond }) => rate(errorsPerSecond), weight: 4 },
      { title: 'WHY', cell: why, weight: 9 },
    ],
    width,
  );

const instanceLines = (instances: readonly InstanceStateView[], { columns, selected }: TopInput): readonly Line[] =>
  table(
    instances,
    [
      { title: 'INSTANCE', cell: ({ name }) => name, weight: 0 },
      { title: 'STATE', cell: ({ state }) => state, weight: 0 },
      { title: 'SESS', right: true, cell: ({ sessions }) => count(sessions), weight: 4 },
      { title: 'RUN', right: true, cell: ({ running }) => count(running), weight: 1 },
      { title: 'WAIT', right: true, cell: ({ waiting }) => count(waiting), weight: 2 },
      { title: 'QUERY/S', right: true, cell: ({ queriesPerSecond }) => rate(queriesPerSecond), weight: 3 },
      { title: 'FLOW', right: true, cell: ({ flowControl }) => percent(flowControl), weight: 5 },
      { title: 'GROUP', right: true, cell: ({ clusterSize }) => count(clusterSize), weight: 6 },
      { title: 'HOST', cell: ({ host }) => host, weight: 8 },
      { title: 'WHY', cell: why, weight: 9 },
    ],
    columns,
    ({ name }) => name === selected,
  );

const restLines = ({ gateways, hosts }: Overview, width: number): readonly Line[] => [
  ...table(
    worstFirst<GatewayState>(gateways),
    [
      { title: 'GATEWAY', cell: ({ name }) => name, weight: 0 },
      { title: 'STATE', cell: ({ state }) => state, weight: 0 },
      { title: 'SESS', right: true, cell: ({ sessions }) => count(sessions), weight: 3 },
      { title: 'REQ/S', right: true, cell: ({ requestsPerSecond }) => rate(requestsPerSecond), weight: 1 },
      { title: 'LATENCY', right: true, cell: ({ latencySeconds }) => latency(latencySeconds), weight: 2 },
      { title: 'ERRORS/S', right: true, cell: ({ errorsPerSecond }) => rate(errorsPerSecond), weight: 4 },
      { title: 'WHY', cell: why, weight: 9 },
    ],
    width,
  ),
  [],
  ...table(
    worstFirst<HostState>(hosts),
    [
      { title: 'HOST', cell: ({ name }) => name, weight: 0 },
      { title: 'STATE', cell: ({ state }) => state, weight: 0 },
      { title: 'CPU', right: true, cell: ({ cpu }) => percent(cpu), weight: 1 },
      { title: 'MEMORY', right: true, cell: ({ memory }) => percent(memory), weight: 2 },
      { title: 'DISK', right: true, cell: ({ disk }) => percent(disk), weight: 3 },
      { title: 'WHY', cell: why, weight: 9 },
    ],
    width,
  ),
];

const detailLines = ({ detail }: TopData, { selected, panel, nowMs, columns }: TopInput): readonly Line[] => {
  if (selected === undefined) return [[piece(' Choose an instance with ↑ and ↓.', 'faint')]];
  if (detail === undefined) return [[piece(` Nothing is told of the sessions of ${selected} yet.`, 'faint')]];
  const ageMs = nowMs - detail.atMs;
  const head: Line = [
    piece(` ${selected}`, 'strong'),
    piece(`  ${panelWords[panel]}`),
    piece(`  ${ageMs > oldMs ? `as of ${ageText(ageMs)} ago` : ''}`, 'warn'),
  ];
  if (panel === 'locks') return [head, ...lockLines(detail, columns)];
  return [head, ...(panel === 'statements' ? statementLines(detail, columns) : sessionLines(detail, columns))];
};

const panelWords: Readonly<Record<TopState['panel'], string>> = {
  overview: '',
  sessions: 'sessions that work, wait or hold a transaction open',
  locks: 'who waits for whom',
  statements: 'statements that took the most time since the reading before',
};

const plain = <T>(row: T): T & { readonly level: Level } => ({ ...row, level: 'fine' });

const sessionLines = ({ sessions, blockers }: DatabaseDetail, width: number): readonly Line[] => {
  if (sessions.length === 0) return [[piece(' None.', 'faint')]];
  const blocking = new Set(blockers.map(({ session }) => session));
  return table(
    sessions.map((session) => ({ ...session, level: (blocking.has(session.id) ? 'watch' : 'fine') as Level })),
    [
      { title: 'ID', right: true, cell: ({ id }) => String(id), weight: 0 },
      { title: 'USER', cell: ({ user }) => user, weight: 1 },
      { title: 'FROM', cell: ({ address }) => address, weight: 7 },
      { title: 'TIME', right: true, cell: ({ seconds }) => `${Math.round(seconds)} s`, weight: 2 },
      {
        title: 'TX',
        right: true,
        cell: ({ transactionSeconds = null }) =>
          transactionSeconds === null ? dash : `${Math.round(transactionSeconds)} s`,
        weight: 3,
      },
      { title: 'STATE', cell: ({ state, command }) => cut(state === '' ? command : state, 24), weight: 4 },
      {
        title: 'STATEMENT',
        cell: ({ statement = '' }) => cut(statement.replaceAll(/\s+/g, ' '), Math.max(20, width - 60)),
        weight: 5,
      },
    ],
    width,
  );
};

const lockLines = (detail: DatabaseDetail, width: number): readonly Line[] => {
  const { blockers, waits, sessions } = detail;
  if (blockers.length === 0) return [[piece(' Nobody waits for anybody.', 'faint')]];
  const words = (id: number): string => {
    const session = sessions.find((one) => one.id === id);
    if (session === undefined) return `session ${id}`;
    const { user, address, command, state, transactionSeconds, statement } = session;
    const open = transactionSeconds === undefined ? '' : `, transaction of ${Math.round(transactionSeconds)} s`;
    return `session ${id} ${user}@${address}: ${state === '' ? command : state}${open}${statement === undefined ? '' : `: ${statement.replaceAll(/\s+/g, ' ')}`}`;
  };
  const below = (id: number, depth: number, seen: ReadonlySet<number>): readonly Line[] => {
    const own: Line = [
      piece(`${' '.repeat(2 + depth * 3)}${depth === 0 ? '' : '└ '}`),
      piece(cut(words(id), width - 6 - depth * 3), depth === 0 ? 'strong' : 'plain'),
    ];
    if (seen.has(id) || depth > 8) return [own];
    const next = new Set([...seen, id]);
    return [
      own,
      ...waits.filter(({ blocking }) => blocking === id).flatMap(({ waiting }) => below(waiting, depth + 1, next)),
    ];
  };
  return blockers.flatMap(({ session }) => below(session, 0, new Set()));
};

const statementLines = ({ statements }: DatabaseDetail, width: number): readonly Line[] =>
  statements.length === 0
    ? [[piece(' None.', 'faint')]]
    : table(
        statements.map(plain),
        [
          { title: 'TIME', right: true, cell: ({ seconds }) => latency(seconds), weight: 0 },
          { title: 'CALLS', right: true, cell: ({ calls }) => count(calls), weight: 1 },
          { title: 'ROWS READ', right: true, cell: ({ rowsExamined }) => count(rowsExamined), weight: 2 },
          { title: 'SENT', right: true, cell: ({ rowsSent }) => count(rowsSent), weight: 6 },
          { title: 'NO INDEX', right: true, cell: ({ withoutIndex }) => count(withoutIndex), weight: 5 },
          {
            title: 'STATEMENT',
            cell: ({ text }) => cut(text.replaceAll(/\s+/g, ' '), Math.max(24, width - 50)),
            weight: 0,
          },
        ],
        width,
      );

const keysLine = ({ help, columns, panel }: TopInput): Line =>
  joinFitting(
    (help
      ? ['? back', 'q quit']
      : [
          'q quit',
          '? help',
          '↑↓ instance',
          's sessions',
          'l locks',
          't statements',
          ...(panel === 'overview' ? [] : ['o overview']),
        ]
    ).map((text) => piece(text, 'faint')),
    columns,
    ' ',
  );

const helpLines = (): readonly Line[] => [
  [],
  ...(
    [
      ['↑ ↓  tab', 'choose an instance'],
      ['s', 'its sessions'],
      ['l', 'its locks: who waits for whom'],
      ['t', 'its statements, the most time first'],
      ['o  esc', 'gateways and hosts again'],
      ['q', 'quit; Ctrl-C too'],
    ] as const
  ).map(([key, words]): Line => [piece(`  ${padEnd(key, 10)}`, 'strong'), piece(words)]),
  [],
  [piece('  ✖ somebody is needed   ▲ look at it soon   ? nothing is heard   ● fine')],
  [
    piece(
      '  WAIT: sessions that wait for row locks.  FLOW: time stopped by flow control.  TX: age of the transaction.',
    ),
  ],
];

/** One line for where there is no terminal, and for `--once`. */
export const topLines = (data: TopData, nowMs: number): readonly string[] =>
  renderTop(data, {
    ...{ panel: 'overview', selected: undefined, help: false, columns: 200, colour: false, nowMs, problem: undefined },
    rows:
      14 +
      data.overview.instances.length +
      data.overview.gateways.length +
      data.overview.hosts.length +
      data.overview.services.length +
      data.incidents.length * 3,
  })
    .slice(0, -1)
    .filter((line, index, all) => line !== '' || all[index - 1] !== '')
    .map((line) => line.trimEnd());
