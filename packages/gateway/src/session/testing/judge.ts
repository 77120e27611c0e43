/** Whether the database keeps what clients were told: looks at the whole order of commits when nothing is left to happen. */
import type { Reference, Told } from './reference.ts';
import type { SimulatedGroup } from './simulated-group.ts';

export type Judgement = {
  readonly group: SimulatedGroup;
  readonly counters: number;
  /** Nobody sees a state from before their own last write. */
  readonly readsOwnWrites: boolean;
};

/** Everything that was promised and is not so. */
export const judge = (client: string, reference: Reference, judgement: Judgement): readonly string[] => {
  const { promises, insertIds, schemas } = reference;
  const findings = promises.flatMap((one) => [...placesOf(one, judgement), ...snapshotOf(one, judgement)]);
  for (const [tag, id] of insertIds) {
    const [commit] = judgement.group.commits.filter(({ effects }) => effects.some((effect) => effect.tag === tag));
    const keys = commit?.effects.filter((effect) => effect.tag === tag).map(({ key }) => key);
    if (keys !== undefined && !keys.includes(`log:${id}`))
      findings.push(`${tag} was told to be row ${id} and is ${keys.join()}`);
  }
  for (const { tag, schema } of judgement.group.commits.flatMap(({ effects }) => effects))
    if (schemas.has(tag) && schemas.get(tag) !== schema) findings.push(`${tag} is in schema '${schema}'`);
  return findings.map((finding) => `${client}: ${finding}`);
};

/** Acknowledged: each change once, all of them in one commit. Refused: none. Unknown: all or none. */
const placesOf = ({ fate, tags, torn }: Told, { group }: Judgement): readonly string[] => {
  const places = tags.map((tag) => group.places(tag));
  const findings: string[] = [];
  for (const [index, found] of places.entries()) {
    if (found.length > 1) findings.push(`${tags[index]} is there ${found.length} times (${fate})`);
    if (fate === 'acknowledged' && found.length === 0)
      findings.push(`${tags[index]} was acknowledged and is not there`);
    if (fate === 'refused' && found.length > 0) findings.push(`${tags[index]} was refused and is there`);
  }
  const positions = new Set(places.map(([place = 0]) => place));
  if (positions.size > 1 && !(torn && fate === 'unknown'))
    findings.push(`${tags.join()} are not in one commit (${fate})`);
  return findings;
};

/** Some snapshot shows all that was read; for what was committed, one that nobody has overtaken. */
const snapshotOf = (promise: Told, { group, readsOwnWrites }: Judgement): readonly string[] => {
  const { reads, keys, fate, tags, after } = promise;
  if (reads.length === 0) return [];
  const [place = 0] = tags[0] === undefined ? [] : group.places(tags[0]);
  // A repetition may have shown the same again at a later snapshot; the last one counts.
  const until = place > 0 ? place - 1 : group.seqno;
  const from = readsOwnWrites ? Math.max(0, ...after.flatMap((tag) => group.places(tag))) : 0;
  for (let snapshot = until; snapshot >= from; snapshot -= 1) {
    const overtaken =
      fate === 'acknowledged' && place > 0 && [...keys].some((key) => group.lastChange(key, place - 1) > snapshot);
    if (overtaken) break;
    if (reads.every(({ id, base }) => group.value(id, snapshot) === base)) return [];
  }
  const seen = reads.map(({ id, base }) => `${id}=${base}`).join(' ');
  return [`no snapshot from ${from} to ${until} shows ${seen} (${fate} ${tags.join()})`];
};
