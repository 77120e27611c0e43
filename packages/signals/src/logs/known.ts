/** Lines that tell of a change: a process that began or ended, a group that changed. By the words of the programs we know; pure. */
import type { ChangeKind } from '@coequal/contract';
import type { LogStyle } from './lines.ts';

/** `text` completes "because of". */
export type KnownChange = { readonly change: ChangeKind; readonly text: string };

type Known = {
  readonly styles: readonly LogStyle[];
  readonly pattern: RegExp;
  readonly change: ChangeKind;
  readonly text: (who: string, found: readonly string[]) => string;
};

const known: readonly Known[] = [
  {
    styles: ['mariadb'],
    // Galera's "Synchronized with group, ready for connections" is no start.
    pattern: /^(?:\[[^\]]*\] )*\S*(?:mariadbd|mysqld)\S*: ready for connections\b/,
    change: 'restart',
    text: (who) => `the start of ${who}`,
  },
  {
    styles: ['mariadb'],
    pattern: /\((?:initiated by: ([^)]{1,80})|unknown)\): Normal shutdown|: Shutdown complete\b/,
    change: 'stop',
    text: (who) => `the stop of ${who}`,
  },
  {
    styles: ['mariadb'],
    pattern: /\bWSREP: New COMPONENT: primary = (yes|no), bootstrap = (?:yes|no), my_idx = \d+, memb_num = (\d+)/,
    change: 'membership',
    text: (who, [primary, members]) =>
      `the membership that ${who} sees: ${primary === 'yes' ? 'a primary component' : 'a component without majority'} of ${members}`,
  },
  {
    styles: ['postgres'],
    pattern: /^database system is ready to accept (?:read-only )?connections/,
    change: 'restart',
    text: (who) => `the start of ${who}`,
  },
  {
    styles: ['postgres'],
    pattern: /^received (?:smart|fast|immediate) shutdown request/,
    change: 'stop',
    text: (who) => `the stop of ${who}`,
  },
  {
    styles: ['postgres'],
    pattern: /^(?:selected new timeline ID|received promote request)/,
    change: 'membership',
    text: (who) => `the promotion of ${who}`,
  },
  { styles: ['json'], pattern: /^listening$/, change: 'restart', text: (who) => `the start of ${who}` },
  { styles: ['json'], pattern: /^gateway-ended\b/, change: 'stop', text: (who) => `the stop of ${who}` },
];

/** `who`: the instance or gateway whose log it is. */
export const knownChange = (text: string, style: LogStyle, who: string): KnownChange | undefined => {
  for (const each of known) {
    if (!each.styles.includes(style)) continue;
    const found = each.pattern.exec(text);
    if (found !== null) return { change: each.change, text: each.text(who, found.slice(1)) };
  }
  return undefined;
};
