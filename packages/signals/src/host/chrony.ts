/**
 * What `chronyc -c tracking` says: where the clock's time comes from and how far it is off. Named as chrony_exporter names it, and offset and state also as
 * node_exporter's timex. Pure. Source: chronyc(1), tracking; `-c` gives the fields in order, with commas between.
 */
import { noLabels, type Readings } from './readings.ts';

const fields: readonly (readonly [index: number, name: string])[] = [
  [2, 'chrony_tracking_stratum'],
  [3, 'chrony_tracking_reference_timestamp_seconds'],
  [5, 'chrony_tracking_last_offset_seconds'],
  [6, 'chrony_tracking_rms_offset_seconds'],
  [7, 'chrony_tracking_frequency_ppms'],
  [8, 'chrony_tracking_residual_frequency_ppms'],
  [9, 'chrony_tracking_skew_ppms'],
  [10, 'chrony_tracking_root_delay_seconds'],
  [11, 'chrony_tracking_root_dispersion_seconds'],
  [12, 'chrony_tracking_update_interval_seconds'],
];
const fieldCount = 14;

export const readTracking = (text: string, out: Readings): void => {
  const [line = ''] = out.linesOf('chronyc tracking', text);
  const cells = line.trim().split(',');
  if (cells.length < fieldCount) {
    out.problem(0, 'this is not what chronyc -c tracking says');
    return;
  }
  const number = (index: number): number | undefined => {
    const cell = cells[index] ?? '';
    return /^-?\d+(\.\d+)?$/.test(cell) ? Number(cell) : undefined;
  };
  for (const [index, name] of fields) {
    const value = number(index);
    if (value === undefined) out.problem(0, `its field ${index + 1} is no number`);
    else out.add(name, noLabels, value);
  }
  // Positive: the system's clock is behind the time of the source, as chronyc has it.
  const system = number(4);
  if (system !== undefined) {
    out.add('chrony_tracking_system_time_seconds', noLabels, system);
    out.add('node_timex_offset_seconds', noLabels, system);
  }
  const synchronised = cells[13]?.trim() !== 'Not synchronised';
  out.add('node_timex_sync_status', noLabels, synchronised ? 1 : 0);
  out.add(
    'chrony_tracking_info',
    [
      ['tracking_refid', cells[0] ?? ''],
      ['tracking_address', cells[1] ?? ''],
    ],
    1,
  );
};
