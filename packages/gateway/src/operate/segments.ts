/**
 * The files of the acknowledgement journal. Each worker writes files of its own, one after the other, so that none waits
 * for another; a name says when it was begun and by which process. How many there are is bounded: the oldest go first,
 * but never one that a living process may still be writing.
 */

export type Segment = { readonly name: string; readonly bytes: number };

export type SegmentLimits = { readonly bytes: number; readonly files: number };

/** Folder below the gateway's state folder. */
export const journalFolder = 'acknowledged';

export const segmentName = (beganAt: number, pid: number, index: number): string =>
  `${String(beganAt).padStart(14, '0')}-${pid}-${index}.ndjson`;

const pattern = /^(\d{14})-(\d+)-(\d+)\.ndjson$/;

export type ParsedSegment = { readonly name: string; readonly beganAt: number; readonly pid: number };

/** Undefined: no file of ours. */
export const parseSegment = (name: string): ParsedSegment | undefined => {
  const match = pattern.exec(name);
  return match === null ? undefined : { name, beganAt: Number(match[1]), pid: Number(match[2]) };
};

/** Oldest first; files of the same moment in the order of their names. */
export const inOrder = <S extends { readonly name: string }>(segments: readonly S[]): readonly S[] =>
  [...segments].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

/** Which files have to go, so that the rest keeps to the limits. */
export const segmentsToRemove = (
  segments: readonly Segment[],
  living: ReadonlySet<number>,
  limits: SegmentLimits,
): readonly string[] => {
  const known = inOrder(segments.filter(({ name }) => parseSegment(name) !== undefined));
  const newest = new Map(known.map(({ name }) => [parseSegment(name)?.pid, name]));
  const removed: string[] = [];
  let bytes = known.reduce((sum, segment) => sum + segment.bytes, 0);
  let files = known.length;
  for (const segment of known) {
    if (bytes <= limits.bytes && files <= limits.files) break;
    const { pid } = parseSegment(segment.name) ?? {};
    if (pid !== undefined && living.has(pid) && newest.get(pid) === segment.name) continue;
    removed.push(segment.name);
    bytes -= segment.bytes;
    files -= 1;
  }
  return removed;
};
