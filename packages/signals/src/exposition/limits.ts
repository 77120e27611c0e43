/** What a text of samples may cost, in one place, each with its reason. */

export const expositionLimits = {
  /** mysqld_exporter with every collector on a server of 10,000 tables writes about 20 MB. */
  bytes: 64 * 2 ** 20,
  /** The largest exporters in the field write some 100,000 samples; ten times that is a mistake. */
  samples: 1_000_000,
  /** Statement digests carry up to 4 KiB of text in a label, escaped. */
  lineLength: 65_536,
  /** Prometheus' own servers are commonly run with 30 to 64. */
  labels: 128,
  /** Nobody reads more; the rest is counted. */
  problems: 20,
  /** HELP, TYPE and UNIT of families. */
  families: 20_000,
} as const;
