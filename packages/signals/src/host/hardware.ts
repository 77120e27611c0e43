/**
 * What the hardware says of itself below /sys: links of network interfaces, memory errors, temperatures. File texts in,
 * points with the names of node_exporter out (collectors netclass, edac, hwmon). Hosts that show none give none.
 */
import { type Readings, wholeOf } from './readings.ts';

/** A file below a folder of one thing, such as `eth0` and `mtu`. */
export type ThingFile = { readonly thing: string; readonly file: string; readonly text: string };

const linkFiles: ReadonlyMap<string, readonly [name: string, factor: number]> = new Map([
  ['carrier', ['node_network_carrier', 1]],
  ['carrier_changes', ['node_network_carrier_changes_total', 1]],
  ['mtu', ['node_network_mtu_bytes', 1]],
  // Megabits a second.
  ['speed', ['node_network_speed_bytes', 1_000_000 / 8]],
]);

/** The files to read of each folder in /sys/class/net. */
export const linkFileNames: readonly string[] = ['operstate', ...linkFiles.keys()];

export const readLink = ({ thing, file, text }: ThingFile, out: Readings): void => {
  const [line = ''] = out.linesOf(`/sys/class/net/${thing}/${file}`, text);
  if (file === 'operstate') out.add('node_network_up', [['device', thing]], line.trim() === 'up' ? 1 : 0);
  const known = linkFiles.get(file);
  if (known === undefined) return;
  const [name, factor] = known;
  // An interface without a speed says -1.
  if (file === 'speed' && line.trim() === '-1') return;
  out.addText(0, name, [['device', thing]], line.trim(), factor);
};

/** The files to read of each folder `mc*` in /sys/devices/system/edac/mc. */
export const memoryErrorFileNames: readonly string[] = ['ce_count', 'ue_count'];

export const readMemoryErrors = ({ thing, file, text }: ThingFile, out: Readings): void => {
  const [line = ''] = out.linesOf(`/sys/devices/system/edac/mc/${thing}/${file}`, text);
  const name = file === 'ce_count' ? 'node_edac_correctable_errors_total' : 'node_edac_uncorrectable_errors_total';
  out.addText(0, name, [['controller', thing.replace(/^mc/, '')]], line.trim());
};

/** Inputs of sensors in a folder of /sys/class/hwmon that are read. */
export const isSensorFile = (file: string): boolean =>
  /^((temp|fan)\d+_(input|fault)|(in|curr|power)\d+_input|power\d+_average)$/.test(file);

/** `thing` is the chip as node_exporter names it, made by `chipName`. */
export const readSensor = ({ thing, file, text }: ThingFile, out: Readings): void => {
  const [line = ''] = out.linesOf(`/sys/class/hwmon/${thing}/${file}`, text);
  const [, sensor = '', kind, what] = /^((temp|fan|in|curr|power)\d+)_(input|fault|average)$/.exec(file) ?? [];
  const labels = [
    ['chip', thing],
    ['sensor', sensor],
  ] as const;
  // A sensor that cannot be read shows an empty file.
  if (wholeOf(line.trim()) === undefined) return;
  if (what === 'fault') out.addText(0, `node_hwmon_${kind}_fault`, labels, line.trim());
  else if (kind === 'temp') out.addText(0, 'node_hwmon_temp_celsius', labels, line.trim(), 1e-3);
  else if (kind === 'fan') out.addText(0, 'node_hwmon_fan_rpm', labels, line.trim());
  else if (kind === 'in') out.addText(0, 'node_hwmon_in_volts', labels, line.trim(), 1e-3);
  else if (kind === 'curr') out.addText(0, 'node_hwmon_curr_amps', labels, line.trim(), 1e-3);
  else out.addText(0, `node_hwmon_power_${what === 'average' ? 'average_' : ''}watt`, labels, line.trim(), 1e-6);
};

/** The chip's name from its device's bus and folder, as node_exporter joins them. */
export const chipName = (bus: string, device: string): string => `${clean(bus)}_${clean(device)}`;

const clean = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
