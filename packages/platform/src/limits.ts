/** Every bound of the platform in one place, each with its reason. Times are milliseconds, sizes bytes. */

export const limits = {
  ingest: {
    /** Of a remote write body as it comes: Prometheus sends some 100 kB, an agent of a busy host some 200 kB. */
    writeBytes: 8 * 2 ** 20,
    /** Of one OTLP body; the decoder's own bound holds when it is unpacked. */
    otlpBytes: 8 * 2 ** 20,
    /** Of a report of an agent: 1,000 events and 100 details. */
    reportBytes: 16 * 2 ** 20,
    /** Alerts of others: 10,000 of them. */
    alertBytes: 8 * 2 ** 20,
    /** What waits on disk for a store that is away: an hour of an estate's foreign senders. */
    outboxBytes: 2 * 2 ** 30,
    outboxSegmentBytes: 16 * 2 ** 20,
    /** Series whose bytes are remembered, some 200 bytes each: the largest live window. */
    rememberedSeries: 2_000_000,
    /** Samples this far ahead of the platform's clock are refused. */
    futureSeconds: 10,
  },
  watch: {
    /** How often everything is looked at: what came since the look before waits so long at most. */
    everyMs: 500,
    /** A look later than this saw a standstill of the process; what had to wait is in after the second time. */
    lateMs: 1_000,
    catchUpMs: 2_000,
    /** A reading older than this says nothing about now. */
    freshSeconds: 3,
    /** Collectors that were not heard for so long are silent. */
    silentMs: 3_000,
    /** After the start, until what was never heard is called silent. */
    graceMs: 30_000,
    /** Detectors of single signals: 300 instances with 15 each, hosts and gateways beside them. */
    detectors: 50_000,
    /** Hosts of which is known what they usually do: each moment of one costs half a millisecond, its memory is 600 KB. */
    unlikeHosts: 200,
    /** A new level that lasted this long is the usual one. */
    newUsualMs: 15 * 60_000,
    /** After a restart, of what the store remembers: as much as a detector keeps. */
    refillSeconds: 300,
    /** Values of all signals that are asked for at once, by what one host, instance or gateway tells of itself in a second. */
    refillValues: 400_000,
    refillValuesEach: 20,
    /** Later detectors know as much by themselves. */
    refillMs: 60_000,
    /** Between two tries, while the store comes up as well. */
    refillAgainMs: 5_000,
  },
  incidents: {
    /** Kept in one incident; further alerts are counted. */
    alerts: 500,
    timeline: 1_000,
    /** Open at a time; a storm that makes more has lost its structure. */
    open: 200,
    /** An incident that is quiet for so long is over. */
    quietMs: 15_000,
    /** What comes again so soon after the end belongs to it. */
    reopenMs: 60_000,
    /** A new alert elsewhere belongs to an incident in which something happened so recently. */
    joinMs: 120_000,
    /** Alerts of neighbours that share a site only belong together when they begin within this. */
    siteJoinMs: 20_000,
    /** Resolved ones on disk. */
    kept: 20_000,
  },
  diagnosis: {
    /** After the opening, until it is stable. */
    atMs: [1_000, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000],
    thenEveryMs: 60_000,
    /** So many equal answers in a row, and at least so long after the opening, are the answer. */
    stable: 3,
    stableMs: 30_000,
    windowSeconds: 600,
    /** Signals that are looked at: 600 values each are 29 MB. */
    signals: 6_000,
    /** What went before is compared with: so long, while that is in the window. */
    baselineSeconds: 330,
    /** One takes some 100 ms; with a large knowledge the first one takes seconds. */
    deadlineMs: 30_000,
    /** Of its thread: some scenes of the largest size, and what is known. */
    threadMb: 1_024,
  },
  correlation: {
    /** Of each signal in the first pass over the store, and of those that are looked at closely. */
    coarsePoints: 120,
    finePoints: 3_600,
    /** So many are looked at closely. */
    candidates: 100,
    askedAtOnce: 8,
    longestMs: 31 * 86_400_000,
    /** After that no further host is asked for. */
    deadlineMs: 7_000,
  },
  events: {
    /** Kept on disk. */
    kept: 500_000,
    /** In one answer of the agents, and in memory for diagnosis. */
    recentMs: 60 * 60_000,
    recent: 20_000,
    /** Readings of one database: fifteen minutes. */
    details: 900,
    instances: 2_000,
  },
  http: {
    bodyBytes: 256 * 2 ** 10,
    /** Requests a second of each class, and how many may come at once. */
    rates: {
      ingest: { perSecond: 5_000, burst: 10_000 },
      read: { perSecond: 200, burst: 400 },
      search: { perSecond: 20, burst: 40 },
      act: { perSecond: 20, burst: 100 },
      /** What reads or writes all there is. */
      rare: { perSecond: 0.02, burst: 3 },
      /** All that comes from one address, before it is known who asks: a bank may have one proxy for everybody. */
      source: { perSecond: 10_000, burst: 20_000 },
      /** Refusals of one asker that are recorded; more are counted. */
      refusals: { perSecond: 1, burst: 60 },
    },
    /** Askers whose rates are remembered. */
    askers: 20_000,
    /** Answers that are kept for requests that are made again with the same key. */
    once: { forMs: 24 * 60 * 60_000, kept: 5_000, keyLength: 200 },
    /** How often a stream looks whether its reader is still let in; before each event it looks as well. */
    streamCheckMs: 2_000,
    requestMs: 30_000,
    /** Readers that stay connected: every phone of a large bank on call, and its screens. */
    streams: 600,
    /** Events that wait for a slow reader; beyond it the reader is let go and comes back with Last-Event-ID. */
    streamBacklog: 1_000,
    /** Events that are kept for readers that come back. */
    streamHistory: 5_000,
    connections: 2_000,
  },
  store: { deadlineMs: 10_000, answerBytes: 64 * 2 ** 20, retryMs: 1_000 },
} as const;
