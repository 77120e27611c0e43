/** Reasons from the server's log, on lines as MariaDB 10.11 writes them. */
import { describe, expect, it } from 'vitest';
import { findFailure, findProgress, saysDiskIsFull } from './log.ts';

describe('findFailure', () => {
  it.each([
    [
      "2026-11-23 13:18:02 0 [ERROR] Can't start server: Bind on TCP/IP port. Got error: 98: Address already in use",
      'client port',
    ],
    [
      '2026-11-23 13:18:02 0 [ERROR] WSREP: It may not be safe to bootstrap the cluster from this node. It was not the last one to leave',
      'last to leave',
    ],
    [
      '2026-11-23 13:18:02 0 [ERROR] InnoDB: preallocating 4096 bytes for file ./ibtmp1 failed with error 28\nErrcode: 28 "No space left on device"',
      'disk is full',
    ],
    [
      "2026-11-23 13:18:02 0 [ERROR] /usr/sbin/mariadbd: unknown variable 'innodb_snapshot_isolation=ON'",
      'innodb_snapshot_isolation',
    ],
    [
      "2026-11-23 13:18:02 0 [ERROR] WSREP: ./gcs/src/gcs.cpp:gcs_open():1964: Failed to open channel 'bank' at 'gcomm://10.77.1.1'",
      'no member',
    ],
  ])('finds the reason in "%s"', (line, words) => {
    expect(findFailure(`some note\n${line}\n`)?.reason).toContain(words);
  });

  it('quotes the last error when it knows no better, short and printable', () => {
    const reason =
      findFailure(`2026-11-23 13:18:02 0 [ERROR] something new \u001b[31m${'x'.repeat(500)}`)?.reason ?? '';
    expect(reason).toContain('something new');
    expect(reason.length).toBeLessThan(220);
    expect(reason).not.toContain('\u001b');
  });

  it('finds nothing where nothing went wrong', () => {
    expect(findFailure('2026-11-23 13:18:02 0 [Note] ready for connections')).toBeUndefined();
  });
});

describe('findProgress', () => {
  it('tells the latest that is going on', () => {
    expect(findProgress("WSREP: Running: 'wsrep_sst_rsync --role 'joiner'\nInnoDB: Starting crash recovery")).toContain(
      'InnoDB',
    );
    expect(findProgress('nothing of note')).toBeUndefined();
  });
});

describe('saysDiskIsFull', () => {
  it('knows the line with which the server begins to wait, and no other', () => {
    const line = `2026-11-23 13:18:02 9 [ERROR] mariadbd: Disk is full writing './binlog.000002' (Errcode: 28 "No space left on device"). Waiting for someone to free space...`;
    expect(saysDiskIsFull(line)).toBe(true);
    expect(saysDiskIsFull('2026-11-23 13:18:02 0 [Note] WSREP: Member 1.0 synced with group.')).toBe(false);
  });
});
