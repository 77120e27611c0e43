/** The keys of the audit (`audit`): where checkpoints are kept outside, who stamps them, and where records are sent on to. */
import { z } from 'zod';
import { address, duration, path, port, text } from './schema-values.ts';

const timeStamps = z
  .strictObject({
    url: text(
      'Address of the time-stamping authority (RFC 3161 over HTTP).',
      {
        pattern: /^https?:\/\/[^\s/?#@]+(\/[^\s#]*)?$/,
        message: 'is not an address of a time-stamping authority',
        advice: 'Write `http://` or `https://`, a host, and a path, without a password in it.',
      },
      'https://tsa.example/stamp',
    ),
    authority: path('PEM of the authority that issued its certificate.', '/etc/coequal/tsa-authority.pem'),
  })
  .describe('Checkpoints are stamped by this authority.');

const syslog = z
  .strictObject({
    host: address,
    port: port('Port of syslog over TLS.').default(6_514),
    authority: path('PEM of the authority that its certificate must be of.', '/etc/coequal/siem-authority.pem'),
    certificate: path('Certificate that is shown to it.', '/etc/coequal/syslog.pem').optional(),
    key: path('Its key.', '/etc/coequal/syslog.key').optional(),
  })
  .superRefine(({ certificate, key }, context) => {
    if ((certificate === undefined) !== (key === undefined))
      context.addIssue({
        code: 'custom',
        path: [certificate === undefined ? 'key' : 'certificate'],
        message: '`syslog` has a certificate without its key, or a key without its certificate',
        params: { advice: 'Give both, or neither.' },
      });
  })
  .describe('Records are sent on to this server (RFC 5424 over TLS).');

export const audit = z
  .strictObject({
    anchorFolder: path(
      'Folder outside of the hosts that only takes new files: a WORM share, a locked object store.',
      '/mnt/worm/coequal-audit',
    ).optional(),
    timeStamps: timeStamps.optional(),
    syslog: syslog.optional(),
    checkpointEvery: duration(
      'How often what was written is signed, anchored and stamped.',
      { least: 1_000, most: 3_600_000 },
      '1min',
    ).prefault('1min'),
  })
  .describe('What becomes of the audit beside being written. docs/audit.md has the reasons.');
