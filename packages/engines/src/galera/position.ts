/**
 * The files in which a Galera instance keeps where it stands, as values: `grastate.dat` (position and whether it
 * may be started first), `gvwstate.dat` (the last component it was a member of) and the output of a recovery
 * run. Whatever cannot be read is said as such, never guessed: a wrong position can cost data.
 */
import type { StoredPosition } from '../driver.ts';

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
export const zeroGroup = '00000000-0000-0000-0000-000000000000';

export type SavedState = { readonly group: string; readonly sequence: number; readonly safeToBootstrap: boolean };
export type SavedView = { readonly self: string; readonly members: readonly string[] };

/** Reads `grastate.dat`; undefined when it is torn, empty or not such a file. */
export const parseSavedState = (text: string): SavedState | undefined => {
  const group = new RegExp(`^uuid:\\s+(${uuid})\\s*$`, 'm').exec(text)?.[1];
  const sequence = /^seqno:\s+(-?\d{1,19})\s*$/m.exec(text)?.[1];
  if (group === undefined || sequence === undefined) return undefined;
  const safe = /^safe_to_bootstrap:\s+([01])\s*$/m.exec(text)?.[1];
  return { group, sequence: Number(sequence), safeToBootstrap: safe === '1' };
};

export const formatSavedState = ({ group, sequence, safeToBootstrap }: SavedState): string =>
  [
    '# GALERA saved state',
    'version: 2.1',
    `uuid:    ${group}`,
    `seqno:   ${sequence}`,
    `safe_to_bootstrap: ${safeToBootstrap ? 1 : 0}`,
    '',
  ].join('\n');

/** Reads `gvwstate.dat`; undefined when it is torn, empty or not such a file. */
export const parseSavedView = (text: string): SavedView | undefined => {
  const self = new RegExp(`^my_uuid:\\s+(${uuid})\\s*$`, 'm').exec(text)?.[1];
  if (self === undefined || !/^#vwbeg$/m.test(text) || !/^#vwend$/m.test(text)) return undefined;
  const members = [...text.matchAll(new RegExp(`^member:\\s+(${uuid})\\s+\\d+\\s*$`, 'gm'))].map(
    (match) => match[1] ?? '',
  );
  return members.includes(self) ? { self, members } : undefined;
};

export const formatSavedView = ({ self, members }: SavedView): string =>
  [
    `my_uuid: ${self}`,
    '#vwbeg',
    `view_id: 3 ${members[0] ?? self} 3`,
    'bootstrap: 0',
    ...members.map((member) => `member: ${member} 0`),
    '#vwend',
    '',
  ].join('\n');

/** Reads the position that `mariadbd --wsrep-recover` printed; undefined when it printed none. */
export const parseRecoveredPosition = (log: string): { group: string; sequence: number } | undefined => {
  const matches = [...log.matchAll(new RegExp(`WSREP: Recovered position:\\s*(${uuid}):(-?\\d{1,19})`, 'g'))];
  const last = matches.at(-1);
  return last?.[1] === undefined ? undefined : { group: last[1], sequence: Number(last[2]) };
};

/**
 * What both sources together say. The state file's own number is believed only where it is a real one: after a
 * crash it says -1 and the recovery run decides.
 */
export const combinePosition = (
  saved: SavedState | undefined,
  view: SavedView | undefined,
  recovered: { readonly group: string; readonly sequence: number } | undefined,
): StoredPosition => {
  const clean = saved !== undefined && saved.sequence >= 0 && saved.group !== zeroGroup;
  const found = recovered !== undefined && recovered.group !== zeroGroup && recovered.sequence >= 0;
  const group = found ? recovered.group : clean ? saved.group : (saved?.group ?? zeroGroup);
  // A state file of another group than the data's own is wrong: the data decides.
  const agrees = saved !== undefined && saved.group === group;
  return {
    group,
    sequence: found ? Math.max(recovered.sequence, agrees && clean ? saved.sequence : -1) : clean ? saved.sequence : -1,
    safeToBootstrap: agrees && saved.safeToBootstrap,
    componentKnown: view !== undefined,
  };
};

/** `group:sequence`, as `--wsrep-start-position` takes it. */
export const formatPosition = (position: Pick<StoredPosition, 'group' | 'sequence'>): string =>
  `${position.group}:${position.sequence}`;
