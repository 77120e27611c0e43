/**
 * One action made ready: what it would do in words, its precondition, the doing itself, the check afterwards, and the way back. All the
 * check knows is what was written down before the doing began (`Before.seen`) and what is there now: so that it gives the same answer in
 * an agent that was killed meanwhile and started again.
 */
import type { Action, ActionClass } from '@coequal/contract';

/** Small values that are written into the journal. */
export type Notes = Readonly<Record<string, string | number | boolean | null>>;

export type Before = { readonly ok: true; readonly seen: Notes } | { readonly ok: false; readonly reason: string };

/** `between`: neither as it was nor as it should be; `final`: and waiting changes nothing about it. */
export type Standing = {
  readonly is: 'done' | 'untouched' | 'between';
  readonly words: string;
  readonly final?: true;
};

export type Result = Readonly<Record<string, string | number | boolean>>;

export type Run = {
  readonly key: string;
  readonly seen: Notes;
  /** Says what it is at; told to whoever watches. */
  readonly step: (words: string) => void;
  /** Aborted by a cancellation and by the deadline. */
  readonly signal: AbortSignal;
  readonly leftMs: () => number;
};

export type Doing = {
  readonly class: ActionClass;
  readonly does: readonly string[];
  readonly before: () => Promise<Before>;
  readonly perform: (run: Run) => Promise<Result | undefined>;
  /** @param result what `perform` gave; undefined when it did not come to its end in this process */
  readonly after: (seen: Notes, result: Result | undefined) => Promise<Standing>;
  readonly undo: (seen: Notes) => Action | undefined;
  /** Takes it back at once when it ends in between. */
  readonly putsBack: boolean;
};

export const no = (reason: string): Before => ({ ok: false, reason });
export const yes = (seen: Notes = {}): Before => ({ ok: true, seen });

export const text = (notes: Notes, name: string): string => String(notes[name] ?? '');
