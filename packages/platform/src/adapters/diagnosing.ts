/**
 * Diagnosis in a thread of its own: one question at a time, each with a deadline. A thread that dies or does not answer in time is an error
 * that whoever asked is told, and the next question starts another.
 */
import { Worker } from 'node:worker_threads';
import type { IncidentDiagnosis, Place } from '@coequal/contract';
import type { IncidentScene, Knowledge, Incident as KnownIncident, Weights } from '@coequal/diagnosis';
import type { Estate } from '@coequal/estate';
import { type Clock, fail, reasonOf } from '@coequal/kernel';
import { type Parcel, Sender } from '../incidents/parcel.ts';
import { limits } from '../limits.ts';

export type ThreadData = { readonly estate: Estate; readonly weights: Weights | undefined };

type About = { readonly number: number; readonly parcel: Parcel };

export type Question =
  | { readonly ask: 'know'; readonly knowledge: Knowledge }
  | ({ readonly ask: 'diagnose' } & About)
  | ({ readonly ask: 'learn'; readonly id: string; readonly cause: string; readonly place: Place } & About);

export type Answer = {
  readonly number: number;
  readonly diagnosis?: IncidentDiagnosis;
  readonly learned?: KnownIncident;
  readonly failed?: string;
};

export type Diagnosing = {
  /** @throws DIAGNOSIS_FAILED */
  readonly diagnose: (scene: IncidentScene) => Promise<IncidentDiagnosis>;
  /** What is learned of an incident whose cause was confirmed. @throws DIAGNOSIS_FAILED */
  readonly learn: (id: string, cause: string, place: Place, scene: IncidentScene) => Promise<KnownIncident>;
  readonly close: () => Promise<void>;
};

export type DiagnosingOptions = {
  readonly estate: Estate;
  readonly weights: Weights | undefined;
  readonly knowledge: () => Knowledge;
  readonly clock: Clock;
  /** The program of the thread, and how long it may take; for tests. */
  readonly program?: URL;
  readonly deadlineMs?: number;
};

type Waiting = { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void };
type Thread = {
  readonly worker: Worker;
  readonly sender: Sender;
  readonly waiting: Map<number, Waiting>;
  known: Knowledge | undefined;
};

export const openDiagnosing = (options: DiagnosingOptions): Diagnosing => {
  const { clock, knowledge, deadlineMs = limits.diagnosis.deadlineMs } = options;
  const closing = new AbortController();
  let thread: Thread | undefined;
  let number = 0;

  const end = (ended: Thread, reason: string): void => {
    if (thread === ended) thread = undefined;
    for (const { reject } of ended.waiting.values()) reject(fail('DIAGNOSIS_FAILED', { reason }));
    ended.waiting.clear();
  };

  const begin = (): Thread => {
    const { estate, weights, program = new URL('./diagnosis-thread.ts', import.meta.url) } = options;
    const workerData: ThreadData = { estate, weights };
    const worker = new Worker(program, {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: limits.diagnosis.threadMb },
    });
    const begun: Thread = { worker, sender: new Sender(), waiting: new Map(), known: undefined };
    // A platform that ends does not wait for it.
    worker.unref();
    worker.on('message', (answer: Answer) => {
      begun.waiting.get(answer.number)?.resolve(answer);
      begun.waiting.delete(answer.number);
    });
    worker.on('error', (error) => end(begun, reasonOf(error)));
    worker.on('exit', (code) => end(begun, `its thread ended with code ${code}`));
    thread = begun;
    return begun;
  };

  const asked = async (scene: IncidentScene, question: (about: About) => Question): Promise<Answer> => {
    const own = thread ?? begin();
    const now = knowledge();
    if (own.known !== now) {
      own.worker.postMessage({ ask: 'know', knowledge: now } satisfies Question);
      own.known = now;
    }
    number += 1;
    const parcel = own.sender.pack(scene);
    const about: About = { number, parcel };
    const answered = new Promise<Answer>((resolve, reject) => own.waiting.set(about.number, { resolve, reject }));
    own.worker.postMessage(question(about), [
      parcel.values.buffer as ArrayBuffer,
      parcel.numbers.buffer as ArrayBuffer,
    ]);
    const settled = new AbortController();
    const late = clock.sleep(deadlineMs, AbortSignal.any([settled.signal, closing.signal])).then(
      () => {
        end(own, `it took longer than ${deadlineMs / 1_000} s`);
        return own.worker.terminate();
      },
      // The answer came first, or the platform ends.
      () => undefined,
    );
    try {
      return await answered;
    } finally {
      settled.abort();
      await late;
    }
  };

  const told = async <T>(answer: Promise<Answer>, pick: (answer: Answer) => T | undefined): Promise<T> => {
    const found = await answer;
    const value = pick(found);
    if (value === undefined) throw fail('DIAGNOSIS_FAILED', { reason: found.failed ?? 'it said nothing' });
    return value;
  };

  return {
    diagnose: (scene) =>
      told(
        asked(scene, (about) => ({ ask: 'diagnose', ...about })),
        ({ diagnosis }) => diagnosis,
      ),
    learn: (id, cause, place, scene) =>
      told(
        asked(scene, (about) => ({ ask: 'learn', id, cause, place, ...about })),
        ({ learned }) => learned,
      ),
    close: async () => {
      closing.abort();
      const last = thread;
      if (last === undefined) return;
      end(last, 'the platform ends');
      await last.worker.terminate();
    },
  };
};
