/** An audit for the auditor: records as CSV for a spreadsheet, and as a page for reading and printing. Pure. */
import type { AuditRecord } from './record.ts';

const columns = [
  'chain',
  'sequence',
  'at',
  'actor',
  'action',
  'target',
  'result',
  'reason',
  'details',
  'hash',
] as const;

const cells = (record: AuditRecord): readonly string[] =>
  columns.map((column) =>
    column === 'details'
      ? Object.entries(record.details ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .join('; ')
      : String(record[column] ?? ''),
  );

export const csvHead = `${columns.join(',')}\r\n`;

/** RFC 4180. A cell that a spreadsheet would take for a formula begins with an apostrophe. */
export const csvLine = (record: AuditRecord): string => `${cells(record).map(csvCell).join(',')}\r\n`;

const csvCell = (text: string): string => {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0)};`);

/** @param verdict what checking the audit gave, in words */
export const htmlHead = (title: string, verdict: readonly string[]): string =>
  `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>${escaped(title)}</title>\n<style>\n` +
  'body{font:14px/1.5 system-ui,sans-serif;margin:2rem;color:#1a1a1a;background:#fff}\n' +
  'table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid #ccc;' +
  'overflow-wrap:anywhere}th{position:sticky;top:0;background:#fff}td.hash{font:11px monospace;color:#555}tr.failed,tr.refused{background:#fdecea}\n' +
  `</style>\n</head>\n<body>\n<h1>${escaped(title)}</h1>\n${verdict.map((line) => `<p>${escaped(line)}</p>\n`).join('')}` +
  `<table>\n<thead><tr>${columns.map((column) => `<th>${column}</th>`).join('')}</tr></thead>\n<tbody>\n`;

export const htmlLine = (record: AuditRecord): string =>
  `<tr class="${record.result}">${cells(record)
    .map((text, index) => `<td${columns[index] === 'hash' ? ' class="hash"' : ''}>${escaped(text)}</td>`)
    .join('')}</tr>\n`;

export const htmlFoot = '</tbody>\n</table>\n</body>\n</html>\n';
