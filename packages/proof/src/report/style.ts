/** The look of reports: the system's fonts, four sizes, two weights, four semantic colours, light and dark, and paper. */

export const style = `
:root { color-scheme: light dark; --ink: #1c2024; --quiet: #5b6570; --line: #d8dde2; --ground: #fff; --plate: #f5f7f8;
  --fine: #1a6b3c; --act: #b3261e; --watch: #8a5a00; --bar: #5b7f9e; --mark: #b3261e; --band: #b3261e1f; --trend: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --quiet: #9aa5af; --line: #343b42; --ground: #14171a; --plate: #1c2126;
  --fine: #7fce9f; --act: #ff9a90; --watch: #f0bd62; --bar: #7fa3c4; --mark: #ff9a90; --band: #ff9a9026; --trend: #f0bd62; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 400 16px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans",
  "Noto Sans CJK SC", sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 1040px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 28px; line-height: 1.3; font-weight: 600; margin: 8px 0 24px; max-width: 30em; text-wrap: pretty; }
h2 { font-size: 20px; font-weight: 600; margin: 48px 0 8px; }
h3 { font-size: 16px; font-weight: 600; margin: 24px 0 4px; }
p { margin: 0 0 8px; max-width: 44em; }
.quiet { color: var(--quiet); } small, .small, th, td.small { font-size: 13px; }
.word { font-weight: 600; } .word.fine { color: var(--fine); } .word.act { color: var(--act); } .word.watch { color: var(--watch); }
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 0 24px; margin: 0 0 16px; }
dl.figures div { border-top: 2px solid var(--line); padding: 8px 0 16px; }
dl.figures dt { font-size: 13px; color: var(--quiet); } dl.figures dd { margin: 0; font-size: 28px; font-weight: 600; line-height: 1.3; }
dl.figures dd small { display: block; font-weight: 400; line-height: 1.5; color: var(--quiet); } dl.figures div.act { border-color: var(--act); } .act dd { color: var(--act); }
table { border-collapse: collapse; width: 100%; margin: 8px 0 16px; }
th, td { text-align: left; vertical-align: top; padding: 6px 16px 6px 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--quiet); } td.number, th.number { text-align: right; white-space: nowrap; }
.wide { overflow-x: auto; } code, pre { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { background: var(--plate); padding: 12px 16px; white-space: pre-wrap; overflow-wrap: anywhere; margin: 8px 0; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: 4px 24px; margin: 8px 0; }
dl.facts dt { color: var(--quiet); } dl.facts dd { margin: 0; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); }
svg .bar { fill: var(--bar); } svg .axis { stroke: var(--line); } svg .band { fill: var(--band); } svg .mark { fill: var(--mark); }
svg .edge { stroke: var(--mark); stroke-dasharray: 3 3; } svg .trend { fill: none; stroke: var(--trend); stroke-width: 1.5; }
svg .pause { stroke: var(--ink); stroke-width: 1.5; } svg text.pause-text { fill: var(--ink); stroke: none; font-weight: 600; }
@media (max-width: 560px) { main { padding: 16px; } dl.facts { grid-template-columns: 1fr; gap: 0; } dl.facts dd { margin-bottom: 8px; } }
@media print { :root { color-scheme: light; --ink: #000; --quiet: #444; --line: #bbb; --ground: #fff; --plate: #fff; --fine: #1a6b3c;
  --act: #b3261e; --bar: #5b7f9e; --mark: #b3261e; --band: #b3261e1f; --trend: #8a5a00; }
  main { max-width: none; padding: 0; } h2 { break-after: avoid; } figure, tr, dl.figures div { break-inside: avoid; } * { print-color-adjust: exact; } }
`;
