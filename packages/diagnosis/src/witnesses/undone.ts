/**
 * Changes that somebody has put back before the trouble began: a setting that has its old value again, an index that is there again, something
 * that was stopped and runs again. Neither the change nor its undoing is a suspect then. What is put back while the trouble lasts stays one. Pure.
 */
import type { ChangeEvent } from '@coequal/contract';
import { keyOfPlace } from '../incident/graph.ts';

const setting = /^the setting (\S+) changed from (.+) to (.+)$/;
const dropped = /\bdrop (?:index|key) (?:if exists )?`?(\w+)/i;
const added = /\badd (?:index|key) (?:if not exists )?`?(\w+)/i;

/** `quietMs`: how long it must have been as it was, for the undoing to count. */
export const withoutUndone = (
  changes: readonly ChangeEvent[],
  onsetMs: number,
  quietMs: number,
): readonly ChangeEvent[] => {
  const before = changes.filter(({ atMs }) => atMs <= onsetMs - quietMs).toSorted((a, b) => a.atMs - b.atMs);
  const undone = new Set<ChangeEvent>();
  for (const [index, first] of before.entries()) {
    if (undone.has(first)) continue;
    const later = before.slice(index + 1).find((each) => !undone.has(each) && undoes(each, first));
    if (later === undefined) continue;
    undone.add(first);
    undone.add(later);
  }
  return changes.filter((change) => !undone.has(change));
};

const undoes = (later: ChangeEvent, first: ChangeEvent): boolean => {
  if (first.change === 'stop') return later.change === 'restart' && keyOfPlace(first.place) === keyOfPlace(later.place);
  if (later.change !== first.change) return false;
  if (first.change === 'setting') {
    const [was, is] = [setting.exec(first.text), setting.exec(later.text)];
    return (
      was !== null &&
      is !== null &&
      keyOfPlace(first.place) === keyOfPlace(later.place) &&
      was[1] === is[1] &&
      was[2] === is[3]
    );
  }
  if (first.change !== 'ddl') return false;
  const [lost, back] = [dropped.exec(first.text)?.[1], added.exec(later.text)?.[1]];
  return lost !== undefined && lost === back;
};
