/**
 * A real terminal in full-screen use: the alternate screen, keys one by one, and everything given back at the end,
 * whatever the end is. Made by the composition root from the process's own streams.
 */
import type { ReadStream, WriteStream } from 'node:tty';
import type { Terminal } from './world.ts';

const enterScreen = '\u001b[?1049h\u001b[?25l\u001b[2J';
const leaveScreen = '\u001b[?25h\u001b[?1049l';

/** @param atExit registers what must happen when the process ends, also by an uncaught error */
export const openTerminal = (input: ReadStream, output: WriteStream, atExit: (leave: () => void) => void): Terminal => {
  let entered = false;
  const leave = (): void => {
    if (!entered) return;
    entered = false;
    input.setRawMode(false);
    input.pause();
    output.write(leaveScreen);
  };
  atExit(leave);
  return {
    enter: () => {
      if (entered) return;
      entered = true;
      output.write(enterScreen);
      input.setRawMode(true);
      input.setEncoding('utf8');
      input.resume();
    },
    leave,
    // A terminal that does not tell its size has the classic one.
    size: () => ({ columns: output.columns || 80, rows: output.rows || 24 }),
    write: (text) => {
      if (entered) output.write(text);
    },
    onInput: (listener) => {
      const listen = (text: string | Buffer): void => listener(String(text));
      input.on('data', listen);
      return () => input.off('data', listen);
    },
    onResize: (listener) => {
      output.on('resize', listener);
      return () => output.off('resize', listener);
    },
  };
};
