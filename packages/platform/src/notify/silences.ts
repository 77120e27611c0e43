/** The silences that people made, kept on disk. What is silenced is still an incident; nobody is called. */
import { fail, type Random } from '@coequal/kernel';
import {
  endSilence,
  keptSilences,
  type Labels,
  type readSilence,
  type Silence,
  silencedBy,
  silenceLimits,
} from '@coequal/signals';
import { z } from 'zod';
import type { DocumentStore } from '../store/port.ts';

type Wanted = Extract<ReturnType<typeof readSilence>, { readonly ok: true }>['value'];

const documentName = 'silences';

const stored = z.array(
  z.object({
    id: z.string(),
    matchers: z.array(z.object({ name: z.string(), sign: z.enum(['=', '!=', '=~', '!~']), value: z.string() })),
    startsAtMs: z.number(),
    endsAtMs: z.number(),
    createdBy: z.string(),
    comment: z.string(),
    updatedAtMs: z.number(),
  }),
);

export class Silences {
  readonly #documents: DocumentStore;
  readonly #random: Random;
  #all: readonly Silence[];

  constructor(documents: DocumentStore, random: Random) {
    this.#documents = documents;
    this.#random = random;
    this.#all = stored.parse(documents.get(documentName) ?? []);
  }

  list(): readonly Silence[] {
    return this.#all;
  }

  get(id: string): Silence {
    const found = this.#all.find((one) => one.id === id);
    if (found === undefined) throw fail('THING_UNKNOWN', { kind: 'silence', name: id.slice(0, 100) });
    return found;
  }

  of(labels: Labels, nowMs: number): readonly Silence[] {
    return silencedBy(labels, this.#all, nowMs);
  }

  /** A new one, or one in the place of another. @throws THING_UNKNOWN, REQUEST_INVALID */
  put({ id, ...wanted }: Wanted, nowMs: number): Silence {
    const kept = keptSilences(this.#all, nowMs);
    if (id !== undefined) this.get(id);
    else if (kept.length >= silenceLimits.count)
      throw fail('REQUEST_INVALID', { what: `There are ${silenceLimits.count} silences already: end some first.` });
    const silence: Silence = { ...wanted, id: id ?? this.#newId(), updatedAtMs: nowMs };
    this.#keep([...kept.filter((one) => one.id !== silence.id), silence]);
    return silence;
  }

  end(id: string, nowMs: number): Silence {
    const ended = endSilence(this.get(id), nowMs);
    this.#keep(this.#all.map((one) => (one.id === id ? ended : one)));
    return ended;
  }

  /** On disk first: what could not be written does not hold. */
  #keep(silences: readonly Silence[]): void {
    this.#documents.put(documentName, silences);
    this.#all = silences;
  }

  /** As a UUID, which tools for Alertmanagers expect. */
  #newId(): string {
    const part = (length: number): string => Array.from({ length }, () => this.#random.below(16).toString(16)).join('');
    return `${part(8)}-${part(4)}-4${part(3)}-8${part(3)}-${part(12)}`;
  }
}
