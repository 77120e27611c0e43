/**
 * `report.html`: one file, no scripts, nothing fetched. The first screen is for whoever has to know whether money was
 * lost; what follows is for whoever has to know why to believe it. Pure.
 */
import { formatDuration } from '@coequal/kernel';
import type { DrillReport, FaultReport } from '../drills/report.ts';
import { capital, fateInWords, faultInWords, listed, money } from '../drills/words.ts';
import { commonScale, siteChart } from './charts.ts';
import { exactly, gatewaySection, milliseconds, number, siteTable } from './gateways.ts';
import { html, type Markup, trusted } from './markup.ts';
import { style } from './style.ts';

/** Rows of a table that are printed; the rest is in report.json. */
const rowLimit = 200;

export const reportHtml = (report: DrillReport): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title(report)}</title>
<style>${trusted(style)}</style>
</head>
<body>
<main>
${firstScreen(report)}
${seconds(report)}
${faults(report)}
${gatewaySection(report)}
${accounting(report)}
${course(report)}
${surroundings(report)}
</main>
</body>
</html>
`.markup;

const title = (report: DrillReport): string =>
  `Drill ${report.name}, ${report.startedAt.slice(0, 10)}: ${report.passed ? 'passed' : 'not passed'}`;

const firstScreen = (
  report: DrillReport,
): Markup => html`<p class="quiet">Coequal drill <b>${report.name}</b> · ${report.startedAt.replace('T', ' ').slice(0, 19)} UTC · ${report.lab} · ${report.engine}, ${report.architecture}, preset ${report.preset}</p>
${state(report)}
<h1>${report.verdict}</h1>
<dl class="figures">
${figure('Lost', number(report.lost), `of ${number(report.acknowledged)} acknowledged`, report.lost > 0)}
${figure('Done twice', number(report.doubled), 'transactions', report.doubled > 0)}
${figure('Not the same everywhere', number(report.diverged), 'rows', report.diverged > 0)}
${moneyFigure(report)}
</dl>
${siteTable(report, (site) => fateOf(report, site))}`;

const state = ({ passed }: DrillReport): Markup =>
  passed ? html`<p class="word fine">● Passed</p>` : html`<p class="word act">▲ Not passed</p>`;

const figure = (name: string, value: string, unit: string, wrong: boolean): Markup =>
  html`<div class="${wrong ? 'act' : 'fine'}"><dt>${name}</dt><dd>${value} <small>${unit}</small></dd></div>`;

const moneyFigure = ({ balanceExact, rpo }: DrillReport): Markup => {
  if (rpo.amount > 0) return figure('Money', money(rpo.amount), 'acknowledged and lost', true);
  return balanceExact
    ? figure('Money', 'exact', 'to the cent, on every instance', false)
    : figure('Money', 'wrong', 'the books do not balance', true);
};

const fateOf = (report: DrillReport, site: string): string => {
  const own = report.faults.flatMap((fault) => fault.faults).filter((fault) => fault.site === site);
  if (own.length > 0) return capital(listed([...new Set(own.map(fateInWords))]));
  if (report.recoveryMs !== null) return `Killed with all others; all served again after ${exactly(report.recoveryMs)}`;
  if (report.name === 'city-loss') return 'Was left alone; stopped, and went on when a person decided so';
  return 'Nothing';
};

const seconds = (report: DrillReport): Markup => {
  const scale = commonScale(report.timeline);
  return html`<h2>Second by second</h2>
<p class="quiet small">Bars: transactions acknowledged each second. Line: 99th percentile of their latency. Red ground: this site was broken; dashed: another one was. Triangles: seconds with errors. Times are seconds since the clients began.</p>
${report.timeline.map((timeline) => html`<figure style="margin:0"><h3>${capital(timeline.site)}</h3>${siteChart(timeline, report.faults, scale)}</figure>`)}`;
};

const faults = (report: DrillReport): Markup => {
  if (report.faults.length === 0) return html``;
  const sites = report.sites.map((site) => site.name);
  return html`<h2>What was broken, and what was noticed</h2>
<div class="wide"><table><thead><tr><th>Fault</th><th class="number">At</th><th class="number">Healed</th><th class="number">Detected after</th><th class="number">Evicted after</th><th class="number">Rejoined after</th>${sites.map((site) => html`<th class="number">Pause in ${capital(site)}</th>`)}</tr></thead><tbody>
${report.faults.map((fault) => faultRow(fault, sites))}</tbody></table></div>
<p class="quiet small">Detected: a victim was seen not to serve. Evicted: a survivor was seen to count fewer members. Rejoined: every victim was seen serving, counted from the healing. The instances were looked at ten times a second.</p>`;
};

const faultRow = (
  fault: FaultReport,
  sites: readonly string[],
): Markup => html`<tr><td>${fault.faults.map(faultInWords).join('; ')}</td><td class="number">${milliseconds(fault.atMs)}</td><td class="number">${milliseconds(fault.healedAtMs)}</td><td class="number">${milliseconds(fault.detectMs)}</td><td class="number">${milliseconds(fault.evictMs)}</td><td class="number">${milliseconds(fault.rejoinMs)}</td>${sites.map((site) => html`<td class="number">${milliseconds(fault.pausesMs[site] ?? null)}</td>`)}</tr>
`;

const accounting = (report: DrillReport): Markup => html`<h2>The account</h2>
<p>Every attempt of every client was written down outside the database before it was sent, and again with its answer. At the end each one was looked for in what every instance held.</p>
<dl class="facts">
<dt>Acknowledged</dt><dd>${number(report.acknowledged)}</dd>
<dt>Refused for want of funds</dt><dd>${number(report.refused)}</dd>
<dt>Conflicts, rolled back and tried again</dt><dd>${number(report.conflicts)}</dd>
<dt>Failed otherwise, surely not done</dt><dd>${number(report.failed)}</dd>
<dt>In doubt (no answer)</dt><dd>${number(report.inDoubt)}, of which ${number(report.decided)} are decided; gateways were asked about ${number(report.answered)} of them and said what is so of ${number(report.answered - report.misjudged)}</dd>
<dt>Half there</dt><dd>${number(report.damaged)}</dd>
<dt>Asked for by nobody</dt><dd>${number(report.unexplained)}</dd>
<dt>Recovery point</dt><dd>${number(report.rpo.transactions)} transactions, ${money(report.rpo.amount)} in money</dd>
</dl>
${checks(report)}
${errors(report)}
${findings(report)}`;

const checks = (report: DrillReport): Markup => {
  if (report.checks.length === 0 && report.problems.length === 0) return html``;
  return html`<h3>Checks</h3><table><tbody>
${report.checks.map(
  (
    check,
  ) => html`<tr><td class="word ${check.passed ? 'fine' : check.essential ? 'act' : 'watch'}">${check.passed ? '● yes' : '▲ no'}</td><td>${check.text} ${check.detail}</td></tr>
`,
)}${report.problems.map(
  (problem) => html`<tr><td class="word act">▲ problem</td><td>${problem}</td></tr>
`,
)}</tbody></table>`;
};

const errors = (report: DrillReport): Markup => {
  const rows = report.sites.flatMap((site) =>
    Object.entries(site.errorsByCode).map(([code, count]) => ({ site: site.name, code, count })),
  );
  if (rows.length === 0) return html``;
  return html`<h3>Errors by code</h3><table><thead><tr><th>Site</th><th>Code</th><th class="number">Times</th></tr></thead><tbody>
${rows.map(
  ({
    site,
    code,
    count,
  }) => html`<tr><td>${capital(site)}</td><td><code>${code}</code></td><td class="number">${number(count)}</td></tr>
`,
)}</tbody></table>`;
};

const findings = (report: DrillReport): Markup => {
  if (report.findings.length === 0) return html``;
  return html`<h3>What is wrong, the first of each kind</h3><div class="wide"><table><thead><tr><th>Kind</th><th>Subject</th><th>Instance</th><th>Detail</th></tr></thead><tbody>
${report.findings.map(
  (
    finding,
  ) => html`<tr><td class="word act">${finding.kind}</td><td><code>${finding.subject}</code></td><td>${finding.instance}</td><td>${finding.detail}</td></tr>
`,
)}</tbody></table></div>`;
};

const course = (report: DrillReport): Markup => html`<h2>The course of it</h2>
<div class="wide"><table><thead><tr><th class="number">At</th><th>Step</th><th class="number">Took</th></tr></thead><tbody>
${report.steps.map(
  (
    step,
  ) => html`<tr><td class="number">${milliseconds(step.atMs)}</td><td>${step.text}${step.done ? '' : ' (not reached)'}</td><td class="number">${milliseconds(step.tookMs)}</td></tr>
`,
)}</tbody></table></div>
<h3>States as they were seen</h3>
<div class="wide"><table><thead><tr><th class="number">At</th><th>Instance</th><th>State</th><th class="number">Members</th><th>Why</th></tr></thead><tbody>
${report.states.slice(0, rowLimit).map(
  (
    state,
  ) => html`<tr><td class="number">${milliseconds(state.atMs)}</td><td>${state.instance}</td><td>${state.state}</td><td class="number">${state.members ?? '–'}</td><td class="small">${state.reason}</td></tr>
`,
)}</tbody></table></div>
${report.states.length > rowLimit ? html`<p class="quiet small">${number(report.states.length - rowLimit)} more are in report.json.</p>` : html``}`;

const surroundings = (report: DrillReport): Markup => html`<h2>To repeat it</h2>
<pre>${report.command}</pre>
<dl class="facts">
<dt>Seed</dt><dd>${report.seed}</dd>
<dt>Length of the load</dt><dd>${report.seconds} s</dd>
<dt>Mode</dt><dd>${report.mode}</dd>
<dt>Machine</dt><dd>${report.machine}</dd>
<dt>Round trips</dt><dd>${listed(report.rttMs.map(({ between, ms }) => `${between.map(capital).join('–')} ${formatDuration(ms)}`))}</dd>
<dt>Configuration</dt><dd><code>${report.configuration}</code></dd>
${Object.entries(report.versions).map(
  ([name, version]) => html`<dt>${capital(name)}</dt><dd>${version}</dd>
`,
)}</dl>
<p class="quiet small">This folder also holds report.json, history.ndjson, states.ndjson and a signed manifest. <code>coequal evidence verify</code> re-checks hashes, signature and verdict without a database.</p>`;
