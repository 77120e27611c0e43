/** What VictoriaMetrics says of itself, in its metrics and in its log, as far as its supervisor needs it. Pure. */

/** From its page of metrics: whether it refuses samples because its disk is nearly full, and the room that is left. */
export const readStoreFigures = (
  text: string,
): { readonly readOnly: boolean; readonly freeBytes: number | undefined } => {
  const figure = (name: string): number | undefined => {
    const value = new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1];
    return value === undefined || Number.isNaN(Number(value)) ? undefined : Number(value);
  };
  return {
    readOnly: figure('vm_storage_is_read_only') === 1,
    freeBytes: figure('vm_free_disk_space_bytes'),
  };
};

/** Of the end of its log: the last line that tells of a failure, without time and place in the source. */
export const lastWordsOf = (log: string): string => {
  const lines = log
    .split('\n')
    .filter((line) => /\t(error|fatal|panic)\t|^panic: |^fatal error: |^(flag provided|invalid value)/.test(line));
  const last = lines.at(-1) ?? '';
  return (last.split('\t').at(-1) ?? '').replaceAll(/\s+/g, ' ').trim().slice(0, 300);
};
