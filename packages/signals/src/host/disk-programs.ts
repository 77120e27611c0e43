/**
 * What `smartctl` and `nvme` say of disks, as JSON: named as smartctl_exporter and node_exporter's nvme.prom name it. Texts in, points out; what is not
 * there is left out, and what makes no sense is a problem. Pure.
 * Sources: smartctl(8), schema of its JSON output, version 1; the NVM Express base specification, SMART / Health Information.
 */
import type { Label } from '../sample.ts';
import type { Readings } from './readings.ts';

/** Read below without trust: other versions leave fields out. */
type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const at = (value: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>((found, key) => (isObject(found) && Object.hasOwn(found, key) ? found[key] : undefined), value);
const numberAt = (value: unknown, ...path: readonly string[]): number | undefined => {
  const found = at(value, ...path);
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined;
};
const textAt = (value: unknown, ...path: readonly string[]): string => {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : '';
};

const parsed = (file: string, text: string, out: Readings): unknown => {
  out.linesOf(file, '');
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    out.problem(0, 'what it says is not JSON');
    return undefined;
  }
};

/** Devices of `smartctl --scan --json`. */
export const smartDevices = (
  text: string,
  out: Readings,
): readonly { readonly name: string; readonly type: string }[] => {
  const devices = at(parsed('smartctl --scan', text, out), 'devices');
  if (!Array.isArray(devices)) return [];
  return devices.flatMap((device: unknown) => {
    const [name, type] = [textAt(device, 'name'), textAt(device, 'type')];
    // They become arguments of a program.
    return /^\/dev\/[\w/-]{1,100}$/.test(name) && /^[\w,+-]{1,50}$/.test(type) ? [{ name, type }] : [];
  });
};

/** `smartctl --json --all DEVICE`. */
export const readSmart = (text: string, out: Readings): void => {
  const all = parsed('smartctl', text, out);
  const name = textAt(all, 'device', 'name').replace(/^\/dev\//, '');
  if (name === '') return;
  const device: readonly Label[] = [['device', name]];
  const add = (metric: string, value: number | undefined, more: readonly Label[] = []): void => {
    if (value !== undefined) out.add(`smartctl_device_${metric}`, [...device, ...more], value);
  };
  const info = ['model_name', 'serial_number', 'firmware_version', 'model_family'] as const;
  add('smartctl_exit_status', numberAt(all, 'smartctl', 'exit_status'));
  out.add('smartctl_device', [...device, ...info.map((key): Label => [key, textAt(all, key)])], 1);
  const passed = at(all, 'smart_status', 'passed');
  if (typeof passed === 'boolean') add('smart_status', passed ? 1 : 0);
  add('temperature', numberAt(all, 'temperature', 'current'), [['temperature_type', 'current']]);
  add('power_on_seconds', times(numberAt(all, 'power_on_time', 'hours'), 3_600));
  add('power_cycle_count', numberAt(all, 'power_cycle_count'));
  add('capacity_bytes', numberAt(all, 'user_capacity', 'bytes'));
  add('error_log_count', numberAt(all, 'ata_smart_error_log', 'summary', 'count'), [['error_log_type', 'summary']]);
  const health = 'nvme_smart_health_information_log';
  add('critical_warning', numberAt(all, health, 'critical_warning'));
  add('available_spare', numberAt(all, health, 'available_spare'));
  add('available_spare_threshold', numberAt(all, health, 'available_spare_threshold'));
  add('percentage_used', numberAt(all, health, 'percentage_used'));
  add('media_errors', numberAt(all, health, 'media_errors'));
  add('num_err_log_entries', numberAt(all, health, 'num_err_log_entries'));
  add('bytes_read', times(numberAt(all, health, 'data_units_read'), dataUnit));
  add('bytes_written', times(numberAt(all, health, 'data_units_written'), dataUnit));
  add('scsi_grown_defect_list', numberAt(all, 'scsi_grown_defect_list'));
  const table = at(all, 'ata_smart_attributes', 'table');
  if (Array.isArray(table)) for (const attribute of table.slice(0, 100)) readAttribute(attribute, device, out);
};

/** Of NVMe: thousands of 512 bytes. */
const dataUnit = 512_000;

const times = (value: number | undefined, factor: number): number | undefined =>
  value === undefined ? undefined : value * factor;

const readAttribute = (attribute: unknown, device: readonly Label[], out: Readings): void => {
  const id = numberAt(attribute, 'id');
  if (id === undefined) return;
  const own: readonly Label[] = [
    ...device,
    ['attribute_id', String(id)],
    ['attribute_name', textAt(attribute, 'name')],
  ];
  const values = [
    ['raw', numberAt(attribute, 'raw', 'value')],
    ['value', numberAt(attribute, 'value')],
    ['worst', numberAt(attribute, 'worst')],
    ['thresh', numberAt(attribute, 'thresh')],
  ] as const;
  for (const [type, value] of values)
    if (value !== undefined) out.add('smartctl_device_attribute', [...own, ['attribute_value_type', type]], value);
};

/** Devices of `nvme list --output-format=json`. */
export const nvmeDevices = (text: string, out: Readings): readonly string[] => {
  const devices = at(parsed('nvme list', text, out), 'Devices');
  if (!Array.isArray(devices)) return [];
  return devices.flatMap((device: unknown) => {
    const path = textAt(device, 'DevicePath');
    return /^\/dev\/nvme\d+n\d+$/.test(path) ? [path] : [];
  });
};

const nvmeFigures: readonly (readonly [field: string, metric: string, factor: number])[] = [
  ['avail_spare', 'nvme_available_spare_ratio', 0.01],
  ['spare_thresh', 'nvme_available_spare_threshold_ratio', 0.01],
  ['percent_used', 'nvme_percentage_used_ratio', 0.01],
  ['critical_warning', 'nvme_critical_warning_total', 1],
  ['data_units_read', 'nvme_data_units_read_total', 1],
  ['data_units_written', 'nvme_data_units_written_total', 1],
  ['host_read_commands', 'nvme_host_read_commands_total', 1],
  ['host_write_commands', 'nvme_host_write_commands_total', 1],
  ['controller_busy_time', 'nvme_controller_busy_time_seconds', 60],
  ['power_cycles', 'nvme_power_cycles_total', 1],
  ['power_on_hours', 'nvme_power_on_hours_total', 1],
  ['unsafe_shutdowns', 'nvme_unsafe_shutdowns_total', 1],
  ['media_errors', 'nvme_media_errors_total', 1],
  ['num_err_log_entries', 'nvme_num_err_log_entries_total', 1],
];
const kelvin = 273.15;

/** `nvme smart-log --output-format=json DEVICE`. */
export const readNvme = (path: string, text: string, out: Readings): void => {
  const log = parsed('nvme smart-log', text, out);
  const device: readonly Label[] = [['device', path.replace(/^\/dev\//, '')]];
  for (const [field, metric, factor] of nvmeFigures) {
    const value = numberAt(log, field);
    if (value !== undefined) out.add(metric, device, value * factor);
  }
  const temperature = numberAt(log, 'temperature');
  if (temperature !== undefined) out.add('nvme_temperature_celsius', device, temperature - kelvin);
};
