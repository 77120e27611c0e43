/**
 * Lines on their way to a file or stream, without anybody waiting for them: they are gathered for a moment and written
 * one batch after the other. A place that takes nothing (full disk, a reader of the log that sleeps) costs lines, which
 * are counted, and never memory beyond the bound, nor a turn of the event loop.
 */

export type LineWriterOptions = {
  /** Writes all of a batch, or rejects. */
  readonly put: (batch: string) => Promise<void>;
  readonly everyMs: number;
  /** What may wait at most, in characters. */
  readonly limit: number;
  /** Told once when writing begins to fail, with the reason, and once when it works again, with what was lost. */
  readonly onTrouble?: (error: unknown) => void;
  readonly onWell?: (dropped: number) => void;
  readonly onDropped?: (lines: number) => void;
};

export type LineWriter = {
  readonly write: (line: string) => void;
  /** Writes what waits; resolves when it is written or could not be. Lines written later are not waited for. */
  readonly flush: () => Promise<void>;
};

/** A failed batch is tried again after this time. */
const retryMs = 500;

export const makeLineWriter = (options: LineWriterOptions): LineWriter => {
  let waiting: string[] = [];
  let size = 0;
  let failing = false;
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;

  const schedule = (afterMs: number): void => {
    if (timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      void put();
    }, afterMs);
    // Lines that wait do not keep a process alive that is done; `flush` is there for the end.
    timer.unref();
  };

  const put = (): Promise<void> => {
    writing ??= putAll().finally(() => {
      writing = undefined;
      if (waiting.length > 0) schedule(failing ? retryMs : options.everyMs);
    });
    return writing;
  };

  const putAll = async (): Promise<void> => {
    const batch = waiting;
    if (batch.length === 0) return;
    waiting = [];
    // After a failure half a line may stand there; an empty line keeps it apart from the next.
    const text = `${failing ? '\n' : ''}${batch.join('')}`;
    try {
      await options.put(text);
      size -= lengthOf(batch);
      if (failing) recovered();
    } catch (error) {
      waiting = [...batch, ...waiting];
      if (failing) return;
      failing = true;
      options.onTrouble?.(error);
    }
  };

  const recovered = (): void => {
    failing = false;
    const lost = dropped;
    dropped = 0;
    options.onWell?.(lost);
  };

  return {
    write: (line) => {
      if (size + line.length > options.limit) {
        dropped += 1;
        options.onDropped?.(1);
        return;
      }
      size += line.length;
      waiting.push(line);
      schedule(failing ? retryMs : options.everyMs);
    },
    flush: async () => {
      await writing;
      await put();
    },
  };
};

const lengthOf = (lines: readonly string[]): number => lines.reduce((sum, line) => sum + line.length, 0);
