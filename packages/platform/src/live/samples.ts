/** The newest values of some signals, as readers of the stream get them every second. */
import type { StreamEvent } from '@coequal/contract';
import type { LiveWindow } from '@coequal/signals';

/** In one event; more is for a query. */
const most = 500;

export const newestSamples = (window: LiveWindow, names: readonly string[], nowMs: number): StreamEvent => {
  const samples: { name: string; labels: Record<string, string>; value: number | null }[] = [];
  const oldest = Math.floor(nowMs / 1_000) - 5;
  for (const name of names)
    for (const series of window.seriesNamed(name)) {
      if (series.newest < oldest || samples.length >= most) continue;
      const value = series.at(series.newest);
      samples.push({ name, labels: Object.fromEntries(series.labels), value: Number.isFinite(value) ? value : null });
    }
  return { kind: 'samples', atMs: nowMs, samples };
};
