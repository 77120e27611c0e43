/** Second-by-second charts as inline SVG: acknowledgements as bars, 99th percentile as a line, faults as bands. Pure. */
import { formatDuration } from '@coequal/kernel';
import type { FaultReport } from '../drills/report.ts';
import type { Pause, SiteTimeline } from '../timeline.ts';
import { html, type Markup } from './markup.ts';

const width = 960;
const height = 150;
const frame = { left: 48, right: 56, top: 24, bottom: 28 };
const inner = { width: width - frame.left - frame.right, height: height - frame.top - frame.bottom };
/** Longer timelines are drawn with this many bars at most; each stands for several seconds then. */
const barLimit = 300;

export type ChartScale = { readonly seconds: number; readonly perSecond: number; readonly latencyMs: number };

/** One scale for all sites, so that their charts compare at a glance. */
export const commonScale = (timelines: readonly SiteTimeline[]): ChartScale => {
  const all = timelines.flatMap((timeline) => timeline.seconds);
  const latencies = all.flatMap(({ p99Ms }) => p99Ms ?? []);
  return {
    seconds: Math.max(1, ...timelines.map((timeline) => timeline.seconds.length)),
    perSecond: niceCeiling(Math.max(1, ...all.map(({ acknowledged }) => acknowledged))),
    latencyMs: niceCeiling(Math.max(1, ...latencies)),
  };
};

export const siteChart = (timeline: SiteTimeline, faults: readonly FaultReport[], scale: ChartScale): Markup => {
  const x = (seconds: number): number => round(frame.left + (seconds / scale.seconds) * inner.width);
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${describe(timeline)}">
${faults.map((fault) => faultBand(fault, timeline.site, scale, x))}
${bars(timeline, scale, x)}
${trend(timeline, scale, x)}
${axes(scale, x)}
${errorMarks(timeline, x)}
${pauseMark(timeline.longestPause, x)}
</svg>`;
};

const describe = ({ site, acknowledged, longestPause }: SiteTimeline): string =>
  `${site}: ${acknowledged} transactions acknowledged, longest pause ${longestPause === null ? 'unknown' : formatDuration(longestPause.ms)}`;

type Scale = (seconds: number) => number;

const bars = ({ seconds }: SiteTimeline, scale: ChartScale, x: Scale): readonly Markup[] => {
  const group = Math.ceil(seconds.length / barLimit);
  const groups = Array.from({ length: Math.ceil(seconds.length / group) }, (_, index) =>
    seconds.slice(index * group, (index + 1) * group),
  );
  return groups.map((members, index) => {
    const mean = members.reduce((sum, { acknowledged }) => sum + acknowledged, 0) / members.length;
    const tall = round((mean / scale.perSecond) * inner.height);
    const left = x(index * group);
    const wide = Math.max(0.5, round(x(index * group + members.length) - left - 1));
    const title = `second ${index * group}: ${Math.round(mean)} acknowledged`;
    return html`<rect class="bar" x="${left}" y="${bottom - tall}" width="${wide}" height="${tall}"><title>${title}</title></rect>`;
  });
};

const bottom = frame.top + inner.height;

const trend = ({ seconds }: SiteTimeline, scale: ChartScale, x: Scale): Markup => {
  let pen = 'M';
  const path = seconds.map(({ second, p99Ms }) => {
    if (p99Ms === null) {
      pen = 'M';
      return '';
    }
    const point = `${pen}${x(second + 0.5)} ${round(bottom - (p99Ms / scale.latencyMs) * inner.height)}`;
    pen = 'L';
    return point;
  });
  return html`<path class="trend" d="${path.join('')}"/>`;
};

const axes = (scale: ChartScale, x: Scale): Markup => {
  const step = tickStep(scale.seconds);
  const ticks = Array.from({ length: Math.floor(scale.seconds / step) + 1 }, (_, index) => index * step);
  return html`<line class="axis" x1="${frame.left}" x2="${width - frame.right}" y1="${bottom}" y2="${bottom}"/>
<text x="${frame.left - 6}" y="${frame.top + 8}" text-anchor="end">${scale.perSecond}/s</text>
<text x="${frame.left - 6}" y="${bottom}" text-anchor="end">0</text>
<text x="${width - frame.right + 6}" y="${frame.top + 8}">${formatDuration(scale.latencyMs)}</text>
${ticks.map((tick) => html`<text x="${x(tick)}" y="${height - 6}" text-anchor="middle">${tick} s</text>`)}`;
};

/** The band of a fault: full where it hit this site, its edges only where it hit another. */
const faultBand = (fault: FaultReport, site: string, scale: ChartScale, x: Scale): Markup => {
  const from = x(fault.atMs / 1_000);
  const to = x(fault.healedAtMs === null ? scale.seconds : fault.healedAtMs / 1_000);
  if (fault.faults.some((one) => one.site === site)) {
    return html`<rect class="band" x="${from}" y="${frame.top}" width="${round(to - from)}" height="${inner.height}"/>`;
  }
  return html`<line class="edge" x1="${from}" x2="${from}" y1="${frame.top}" y2="${bottom}"/>
<line class="edge" x1="${to}" x2="${to}" y1="${frame.top}" y2="${bottom}"/>`;
};

const errorMarks = ({ seconds }: SiteTimeline, x: Scale): readonly Markup[] =>
  seconds
    .filter(({ errors }) => errors > 0)
    .map(({ second, errors }) => {
      const center = x(second + 0.5);
      const title = `second ${second}: ${errors} errors`;
      return html`<path class="mark" d="M${center} ${bottom + 1}l4 7h-8z"><title>${title}</title></path>`;
    });

const pauseMark = (pause: Pause | null, x: Scale): Markup => {
  if (pause === null) return html``;
  const from = x(Math.max(0, pause.fromMs / 1_000));
  const to = Math.max(from + 2, x(pause.toMs / 1_000));
  const anchor = from > width * 0.7 ? 'end' : 'start';
  return html`<g class="pause"><line x1="${from}" x2="${to}" y1="${frame.top - 4}" y2="${frame.top - 4}"/>
<text class="pause-text" x="${anchor === 'end' ? to : from}" y="${frame.top - 9}" text-anchor="${anchor}">longest pause ${formatDuration(pause.ms)}</text></g>`;
};

const round = (value: number): number => Math.round(value * 10) / 10;

/** The next of 1, 2, 5 times a power of ten. */
export const niceCeiling = (value: number): number => {
  const power = 10 ** Math.floor(Math.log10(value));
  const nice = [1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10;
  return nice * power;
};

const tickStep = (seconds: number): number =>
  [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800].find((step) => seconds / step <= 12) ?? 3_600;
