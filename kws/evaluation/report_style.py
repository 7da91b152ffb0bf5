"""How a report looks, by day and by night."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f4f6f8; --card: #ffffff; --ink: #17202c; --soft: #5d6b7c; --line: #dfe5eb; --plane: #f8fafb;
  --blue: #1f6feb; --blue-soft: #1f6feb24; --red: #cf3f36; --amber: #b4730a; --violet: #7a4fd0; --teal: #0f8a78;
  --heat: 31 111 235; --heat-bad: 207 63 54;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1319; --card: #161d26; --ink: #e5ebf2; --soft: #93a1b2; --line: #28323e; --plane: #121921;
    --blue: #62a5ff; --blue-soft: #62a5ff2b; --red: #ff7b70; --amber: #e8ac45; --violet: #b193ff; --teal: #45c9b3;
    --heat: 98 165 255; --heat-bad: 255 123 112;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, Cantarell,
  "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px; }
header { margin-bottom: 28px; }
h1 { font-size: 30px; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; margin: 0 0 6px; }
h2 { font-size: 19px; font-weight: 650; letter-spacing: -0.01em; margin: 52px 0 4px; }
p { margin: 0 0 12px; max-width: 76ch; }
.soft, .under { color: var(--soft); }
.under { margin: 0 0 16px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px; }
.scroll { overflow-x: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(172px, 1fr)); gap: 12px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px 12px; }
.tile .name { color: var(--soft); font-size: 13px; }
.tile .value { font-size: 29px; font-weight: 620; letter-spacing: -0.02em; line-height: 1.25; }
.tile .value small { font-size: 15px; font-weight: 500; letter-spacing: 0; color: var(--soft); margin-left: 3px; }
.tile .range { color: var(--soft); font-size: 12.5px; }
table { border-collapse: collapse; width: 100%; }
th { color: var(--soft); font-weight: 500; font-size: 13px; text-align: right; vertical-align: bottom; }
td { text-align: right; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr > :first-child { text-align: left; padding-left: 2px; }
tbody tr:last-child td { border-bottom: 0; }
tfoot td { border-top: 2px solid var(--line); border-bottom: 0; font-weight: 620; }
td.zero { color: var(--soft); opacity: 0.65; }
td.bar { width: 130px; padding-left: 0; }
td.bar div { height: 9px; border-radius: 0 3px 3px 0; background: var(--blue); min-width: 1px; }
td.bar.false div { background: var(--red); }
td strong { font-weight: 650; color: var(--blue); }
table.matrix { width: auto; margin: 0 auto; border-collapse: separate; border-spacing: 3px; }
table.matrix th, table.matrix td { border: 0; padding: 0; }
table.matrix td { width: 56px; height: 34px; text-align: center; border-radius: 5px; background: var(--plane); }
table.matrix td.zero { opacity: 1; color: transparent; }
table.matrix th { font-size: 13px; padding: 0 8px 4px; text-align: center; }
table.matrix tbody th { text-align: right; padding: 0 10px 0 0; color: var(--ink); vertical-align: middle; }
table.matrix .apart { color: var(--soft); font-style: italic; }
table.matrix .corner { text-align: right; font-size: 12px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--soft); font-size: 12px; }
svg .middle { text-anchor: middle; }
svg .end { text-anchor: end; }
svg .plane { fill: var(--plane); }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .grid.fine { stroke-opacity: 0.45; }
svg polyline { fill: none; stroke-linejoin: round; stroke-linecap: round; }
svg .curve { stroke: var(--blue); stroke-width: 2.2; }
svg .own { stroke: var(--teal); stroke-width: 2.2; stroke-dasharray: 5 4; }
svg .other { stroke: var(--line); stroke-width: 2.5; }
svg .budget { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 2 4; }
svg .dot { fill: var(--blue); fill-opacity: 0; }
svg .dot:hover { fill-opacity: 1; }
svg .mark.set circle, svg .mark.set rect { fill: var(--card); stroke: var(--ink); stroke-width: 2; }
svg .mark.best circle, svg .mark.best rect { fill: var(--teal); stroke: var(--card); stroke-width: 1.5; }
svg .mark .label { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--plane); stroke-width: 4px; }
svg .name { fill: var(--ink); font-size: 14px; font-weight: 620; }
svg .axis { font-size: 12.5px; }
.wide { overflow-x: auto; } .wide svg { min-width: 640px; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(225px, 1fr)); gap: 12px; margin-top: 12px; }
.panels .card { padding: 14px 14px 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 22px; color: var(--soft); font-size: 13px; margin: 12px 0 0; }
.legend span { display: inline-flex; align-items: center; gap: 7px; }
.legend svg { width: 26px; height: 12px; flex: none; }
.toml { columns: 4 170px; column-gap: 24px; }
pre { margin: 0; padding-bottom: 10px; break-inside: avoid; white-space: pre-wrap; overflow-wrap: anywhere; }
pre, code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
.moments { display: grid; grid-template-columns: repeat(auto-fill, minmax(440px, 1fr)); gap: 12px; margin-top: 16px; }
.moments .card { padding: 14px 16px 8px; break-inside: avoid; }
.moments h3 { font-size: 15px; font-weight: 620; margin: 0; display: flex; gap: 8px; align-items: baseline; }
.moments h3 .kind { font-size: 12px; font-weight: 600; padding: 1px 8px; border-radius: 9px; border: 1px solid; }
.moments .place { color: var(--soft); font-size: 12.5px; margin: 0 0 6px; overflow-wrap: anywhere; }
.kind.miss { color: var(--amber); } .kind.false { color: var(--red); }
.kind.wrong { color: var(--violet); } .kind.duplicate { color: var(--teal); }
svg .word { fill: var(--soft); fill-opacity: 0.13; }
svg .word.mine { fill: var(--blue); fill-opacity: 0.16; }
svg .said { fill: var(--ink); font-weight: 600; }
svg .threshold { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 5 4; }
svg .release { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 1 4; }
svg .axis-tick { stroke: var(--line); }
svg .raw { stroke: var(--blue); stroke-opacity: 0.4; stroke-width: 1.2; }
svg .mean { stroke: var(--blue); stroke-width: 2.4; }
svg .rival { stroke: var(--soft); stroke-width: 1.2; stroke-opacity: 0.65; }
svg .fired line { stroke: var(--red); stroke-width: 1.2; }
svg .fired circle { fill: var(--red); stroke: var(--plane); stroke-width: 1.5; }
p.remark { margin: 10px 0 0; color: var(--soft); }
footer { margin-top: 52px; padding-top: 16px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px; }
@media (max-width: 560px) { main { padding: 24px 14px 40px; } .moments { grid-template-columns: 1fr; } }
@media print { body { background: #fff; } .card, .tile { break-inside: avoid; } }
"""
