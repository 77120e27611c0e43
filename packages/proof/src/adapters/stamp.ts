/** The machine's monotonic clock (CLOCK_MONOTONIC): one for all processes of a machine, so that their records compare. */

export const machineStampUs = (): number => Number(process.hrtime.bigint() / 1_000n);
