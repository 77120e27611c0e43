/**
 * Records as syslog messages (RFC 5424) in frames for TLS (RFC 5425: octet counting). Chain and number are in the structured data, by
 * which a receiver knows what came twice. Pure.
 */
import type { AuditRecord } from './record.ts';

/** Facility 13: log audit. */
const facility = 13;
const severities: Readonly<Record<AuditRecord['result'], number>> = {
  asked: 5,
  done: 5,
  noted: 6,
  refused: 4,
  failed: 3,
};

/** The enterprise number that RFC 5612 keeps for those without one of their own. */
const dataId = 'audit@32473';

export const syslogMessage = (record: AuditRecord, line: string, host: string): string => {
  const { at, action, chain, sequence, actor, target, result, hash, reason } = record;
  const data = {
    chain,
    sequence: String(sequence),
    actor,
    target,
    result,
    hash,
    ...(reason === undefined ? {} : { reason }),
  };
  const parameters = Object.entries(data).map(([name, value]) => `${name}="${value.replaceAll(/["\\\]]/g, '\\$&')}"`);
  const head = `<${facility * 8 + severities[result]}>1 ${at} ${header(host, 255)} coequal ${header(chain, 128)} ${header(action, 32)}`;
  return `${head} [${dataId} ${parameters.join(' ')}] ${line}`;
};

/** Header fields are printable ASCII without blanks. */
const header = (text: string, longest: number): string =>
  text.replaceAll(/[^\x21-\x7e]+/g, '_').slice(0, longest) || '-';

/** Length in bytes, blank, message. */
export const syslogFrame = (message: string): Buffer => {
  const bytes = Buffer.from(message);
  return Buffer.concat([Buffer.from(`${bytes.length} `), bytes]);
};
