/** Talks to a child in numbered lines of JSON: `{id, …}` there, `{id, answer}` or `{id, problem}` back. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

type Reply = { readonly id?: number; readonly ready?: boolean; readonly answer?: unknown; readonly problem?: string };

export type Conversation = {
  /** Resolves when the child says that it is ready; rejects when it ends before. */
  readonly ready: Promise<void>;
  readonly ask: (question: Readonly<Record<string, unknown>>) => Promise<unknown>;
};

export const converse = (child: ChildProcess): Conversation => {
  const open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const ready = Promise.withResolvers<void>();
  let next = 0;
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2_000);
  });
  child.stdin?.on('error', () => undefined);
  child.once('close', () => {
    const error = new Error(`the child ended: ${complaint}`);
    ready.reject(error);
    for (const { reject } of open.values()) reject(error);
    open.clear();
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const reply = JSON.parse(line) as Reply;
      if (reply.ready === true) return ready.resolve();
      const waiting = open.get(reply.id ?? -1);
      open.delete(reply.id ?? -1);
      if (reply.problem === undefined) waiting?.resolve(reply.answer);
      else waiting?.reject(new Error(reply.problem));
    });
  }
  ready.promise.catch(() => undefined);
  return {
    ready: ready.promise,
    ask: (question) =>
      new Promise((resolve, reject) => {
        next += 1;
        open.set(next, { resolve, reject });
        child.stdin?.write(`${JSON.stringify({ id: next, ...question })}\n`);
      }),
  };
};
