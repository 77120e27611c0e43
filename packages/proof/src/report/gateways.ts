/** Of `report.html`: what clients saw through gateways and directly, what the gateways did, what was in flight, the large write. Pure. */
import { formatDuration } from '@coequal/kernel';
import type { CustomersReport, DrillReport, PauseReport, SiteReport } from '../drills/report.ts';
import { capital } from '../drills/words.ts';
import { html, type Markup } from './markup.ts';

/** To the millisecond below a second, to the hundredth above: what an engineer compares. */
export const exactly = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`);
export const milliseconds = (ms: number | null): string => (ms === null ? '–' : exactly(ms));
export const number = (value: number): string => value.toLocaleString('en-US');

/** Each site, its clients through gateways and those beside them in a line of their own. */
export const siteTable = (
  report: DrillReport,
  fateOf: (site: string) => string,
): Markup => html`<div class="wide"><table>
<thead><tr><th>Site</th><th>What happened to it</th><th>Its customers connect</th><th class="number">Longest pause</th><th class="number">Longest wait of one</th><th class="number">Errors</th><th class="number">Conflicts</th><th class="number">Acknowledged</th><th class="number">Moves</th></tr></thead>
<tbody>
${report.sites.flatMap((site) => siteRows(report, site, fateOf(site.name)))}</tbody></table></div>`;

const siteRows = ({ via }: DrillReport, site: SiteReport, fate: string): readonly Markup[] => [
  customersRow(html`<b>${capital(site.name)}</b>`, fate, via === 'gateway' ? 'through gateways' : 'directly', site),
  ...(site.direct === null ? [] : [customersRow(html``, '', 'directly', site.direct)]),
];

const customersRow = (
  site: Markup,
  fate: string,
  way: string,
  customers: CustomersReport,
): Markup => html`<tr><td>${site}</td><td>${fate}</td><td>${way}</td><td class="number">${customers.longestPauseMs === null ? 'its clients died' : exactly(customers.longestPauseMs)}</td><td class="number">${milliseconds(customers.longestWaitMs)}</td><td class="number">${number(customers.errors)}</td><td class="number">${number(customers.conflicts)}</td><td class="number">${number(customers.acknowledged)}</td><td class="number">${number(customers.reconnects)}</td></tr>
`;

export const gatewaySection = (report: DrillReport): Markup =>
  html`${pauses(report)}${hidden(report)}${inFlight(report)}${largeWrite(report)}`;

const pauses = ({ pauses: { gateway, direct }, faults }: DrillReport): Markup => {
  if (faults.length < 2 || (gateway === null && direct === null)) return html``;
  const row = (way: string, felt: PauseReport | null): Markup =>
    felt === null
      ? html``
      : html`<tr><td>${way}</td><td class="number">${number(felt.faults)}</td><td class="number">${exactly(felt.medianMs)}</td><td class="number">${exactly(felt.largestMs)}</td><td class="number">${exactly(felt.medianWaitMs)}</td><td class="number">${exactly(felt.largestWaitMs)}</td></tr>
`;
  return html`<h2>Pauses over all faults</h2>
<p class="quiet small">Each fault counts with its worst site: the longest time without any acknowledgement, and the longest that one customer waited for one transfer.</p>
<div class="wide"><table><thead><tr><th>Customers</th><th class="number">Faults</th><th class="number">Median pause</th><th class="number">Longest pause</th><th class="number">Median wait</th><th class="number">Longest wait</th></tr></thead><tbody>
${row('Through gateways', gateway)}${row('Directly', direct)}</tbody></table></div>`;
};

const hidden = ({ gateway }: DrillReport): Markup =>
  gateway === null
    ? html``
    : html`<h2>What the gateways did</h2>
<dl class="facts">
<dt>Sessions that lost their instance</dt><dd>${number(gateway.losses)}</dd>
<dt>Transactions replayed unnoticed</dt><dd>${number(gateway.replays)}, and ${number(gateway.replaysTold)} that their clients were told of</dd>
<dt>Outcomes in doubt that were decided</dt><dd>${number(gateway.outcomes)}, and ${number(gateway.outcomesUndecided)} that were not</dd>
<dt>Conflicts hidden</dt><dd>${number(gateway.hidden)}, and ${number(gateway.conflictsTold)} told</dd>
<dt>Could not have been replayed</dt><dd>${number(gateway.notReplayable)}</dd>
<dt>Sessions moved or closed in order</dt><dd>${number(gateway.handedOver)} handed over, ${number(gateway.closed)} closed, ${number(gateway.cut)} cut</dd>
</dl>`;

const inFlight = ({ commits }: DrillReport): Markup =>
  commits.inFlight === 0
    ? html``
    : html`<h2>COMMITs in flight when something broke</h2>
<dl class="facts">
<dt>In flight</dt><dd>${number(commits.inFlight)} at ${number(commits.faults)} faults, ${number(commits.onVictims)} of them where it broke</dd>
<dt>Acknowledged after all</dt><dd>${number(commits.acknowledged)}</dd>
<dt>Refused for certain</dt><dd>${number(commits.refused)}</dd>
<dt>In doubt</dt><dd>${number(commits.inDoubt)}, of which ${number(commits.decided)} are settled</dd>
</dl>`;

const largeWrite = ({ batch }: DrillReport): Markup =>
  batch === null
    ? html``
    : html`<h2>The large write</h2>
<dl class="facts">
<dt>What</dt><dd>${number(batch.rows)} rows in one statement at ${capital(batch.site)}; gateways: ${batch.rule ?? 'no rule'}</dd>
<dt>What came of it</dt><dd>${batch.outcome} after ${formatDuration(batch.tookMs)}${batch.reason === null ? '' : ` (${batch.reason})`}</dd>
<dt>99th percentile of the other sites</dt><dd>${milliseconds(batch.p99BeforeMs)} before, ${milliseconds(batch.p99DuringMs)} meanwhile (${batch.ratio ?? '–'} times)</dd>
<dt>Longest pause of another site</dt><dd>${milliseconds(batch.longestPauseMs)}</dd>
</dl>`;
