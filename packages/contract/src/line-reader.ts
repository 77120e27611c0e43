/** Bytes of a line between processes as JSON values, one a line of text. Pure. Whoever sends lines without end is none of ours. */
import { lineLimit } from './action-line.ts';

export type LineRead =
  | { readonly ok: true; readonly values: readonly unknown[] }
  | { readonly ok: false; readonly reason: string };

export class LineReader {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #rest = '';

  /** After a refusal the line is of no use any more. */
  read(chunk: Uint8Array): LineRead {
    try {
      this.#rest += this.#decoder.decode(chunk, { stream: true });
    } catch {
      return { ok: false, reason: 'its bytes are no text' };
    }
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop() ?? '';
    if ([this.#rest, ...lines].some((line) => line.length > lineLimit))
      return { ok: false, reason: 'a line is too long' };
    const values: unknown[] = [];
    for (const line of lines)
      try {
        values.push(JSON.parse(line));
      } catch {
        return { ok: false, reason: 'a line is not JSON' };
      }
    return { ok: true, values };
  }
}
