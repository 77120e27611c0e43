/**
 * A wall clock for one site's database that can be set wrong while it runs: libfaketime, preloaded from the start,
 * reads an offset from a file. Only the wall clock moves; the monotonic clock, by which servers measure their
 * timeouts, stays honest.
 *
 * Measured with MariaDB 10.11 (8 connections, two cores, three runs each, others at work on the machine): 43–81 thousand
 * point selects a second without, 51–75 thousand with; processor time for 40,000 of them 0.68–1.04 s without, 0.59–0.83 s
 * with; inserts likewise within the noise. So the library is preloaded always and a clock fault restarts nothing. That holds
 * with a cached offset: read anew at every look at the clock, the selects took 1.07–1.25 s of processor time. The price of
 * the cache is that a new offset is seen up to two seconds later. A sleep of 3 s took 3.0 s while the clock jumped an hour.
 *
 * The library leaves two small files in /dev/shm for each process that is killed. The lab's daemon has a /dev/shm of its own
 * (`insideSetup`), which ends with it; where there is none (plain mode) there is no clock fault either.
 */
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fail } from '@coequal/kernel';
import { hasOwnMounts } from '../process/mounts.ts';

export type FakeClock = {
  /** For the processes whose clock it is; must be there when they start. */
  readonly environment: Readonly<Record<string, string>>;
  /** How far the clock is ahead (behind, when negative), in seconds. Seen within two seconds. */
  readonly setOffset: (seconds: number) => Promise<void>;
};

/** How long the library keeps what it read of the file, in whole seconds of its own counting. */
const CACHE_SECONDS = '1';
/** MariaDB 10.11 ends itself when the clock passes January 2038, the end of its timestamps: that would be another fault. */
const LARGEST_OFFSET_SECONDS = 10 * 365 * 86_400;

/** The clock of one site, right at first; null where there is no library, or it would leave files on the machine. */
export const fakeClock = (
  programs: { readonly faketimeLibrary?: string | undefined },
  path: string,
  ownMounts: boolean = hasOwnMounts(),
): FakeClock | null => {
  if (programs.faketimeLibrary === undefined || !ownMounts) return null;
  writeFileSync(path, offsetText(0), { mode: 0o644 });
  return {
    environment: {
      LD_PRELOAD: programs.faketimeLibrary,
      FAKETIME_TIMESTAMP_FILE: path,
      FAKETIME_CACHE_DURATION: CACHE_SECONDS,
      // Named differently in different versions of the library.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      // Times of files must stay what they are: rsync compares them between sites.
      NO_FAKE_STAT: '1',
    },
    setOffset: (seconds) => setClockOffset(path, seconds),
  };
};

/** Why `fakeClock` gave none, for the fault's refusal. */
export const noClockReason = (programs: { readonly faketimeLibrary?: string | undefined }): string =>
  programs.faketimeLibrary === undefined
    ? 'libfaketime was not found'
    : 'in plain mode libfaketime would leave files in /dev/shm of this machine';

/** @throws FAULT_IMPOSSIBLE for an offset that no clock could have */
export const setClockOffset = async (path: string, seconds: number): Promise<void> => {
  if (!Number.isFinite(seconds) || Math.abs(seconds) > LARGEST_OFFSET_SECONDS) {
    throw fail('FAULT_IMPOSSIBLE', {
      fault: 'clock',
      reason: `${seconds} s is no offset for a clock`,
      advice: 'Give seconds, such as 300 or -300, at most ten years.',
    });
  }
  // Written in place: readers hold no old file open, and so few bytes are never seen in part.
  await writeFile(path, offsetText(seconds));
};

/** As the library reads it: a sign, always, and seconds. */
export const offsetText = (seconds: number): string => `${seconds < 0 ? '-' : '+'}${Math.abs(seconds).toFixed(3)}\n`;
