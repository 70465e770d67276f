"""How the page looks: light, dark and on paper."""

__all__ = ["CSS"]

# The colours of lines are told apart by most who are colour-blind (after Okabe and Ito), lighter on dark.
CSS = """
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --ink: #1b1f27; --soft: #5c6472; --rule: #e3e6eb;
  --grid: #eceef2; --best: #9aa2b0; --right: #1f77b4; --wrong: #d1495b; --good: #1a7f4e; --bad: #b3263c; --wait: #9a6700;
  --c0: #1f6fb4; --c1: #e07b00; --c2: #00916e; --c3: #b3478f; --c4: #7a5fc0; --c5: #9b6a2f; --c6: #2aa5c9; --c7: #6b7480; }
@media (prefers-color-scheme: dark) { :root { --page: #12151a; --card: #1a1e25; --ink: #e7eaf0; --soft: #98a1b1;
  --rule: #2b313b; --grid: #262b34; --best: #667080; --right: #4ba3e3; --wrong: #ef6f81; --good: #4cc38a; --bad: #ff8093;
  --wait: #e2b13c; --c0: #5fb0f2; --c1: #ffab4a; --c2: #37c9a3; --c3: #e286c2; --c4: #ab95ef; --c5: #d2a26b; --c6: #6fd3ee;
  --c7: #a4adba; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Noto Sans", "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 36px 24px 48px; }
header { margin-bottom: 24px; }
h1 { font-size: 28px; line-height: 1.2; letter-spacing: -.01em; margin: 0 0 6px; overflow-wrap: anywhere; }
h1 .state { font-size: 13px; font-weight: 600; letter-spacing: 0; vertical-align: middle; margin-left: 10px;
  padding: 3px 10px; border-radius: 99px; border: 1px solid currentColor; white-space: nowrap; }
.finished { color: var(--good); } .failed { color: var(--bad); } .interrupted, .running { color: var(--wait); }
header p { color: var(--soft); margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 14px; }
h3 { font-size: 14px; margin: 0 0 4px; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 20px 22px; margin: 0 0 18px;
  break-inside: avoid; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; margin: 0 0 18px; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 14px 18px; min-width: 0; }
.tile b { display: block; font-size: 24px; font-weight: 650; letter-spacing: -.01em; line-height: 1.25;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.tile span { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 24px; }
.beside { display: grid; grid-template-columns: minmax(0, 3fr) minmax(240px, 2fr); gap: 28px; align-items: start; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 0 18px;
  align-items: start; }
@media (max-width: 720px) { .beside { grid-template-columns: minmax(0, 1fr); } main { padding: 20px 12px; } }
figure { margin: 0; min-width: 0; }
svg { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 13px; color: var(--soft); margin-bottom: 4px; }
.key { display: inline-flex; align-items: center; gap: 6px; overflow-wrap: anywhere; } .key svg { width: 22px; flex: none; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg .axis { font-size: 11.5px; } svg .empty { text-anchor: middle; font-size: 14px; }
.grid { stroke: var(--grid); } .best { stroke: var(--best); stroke-dasharray: 3 4; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; } .train { opacity: .5; }
.dot, .sample { fill: var(--c0); } .sample { fill-opacity: .45; } .point { fill: transparent; stroke: none; }
.point:hover { fill-opacity: .5; }
.right { fill: var(--right); } .wrong { fill: var(--wrong); } .frame { fill: none; stroke: var(--rule); }
svg .on { fill: #fff; text-anchor: middle; } svg .off { fill: var(--ink); text-anchor: middle; }
@media (prefers-color-scheme: dark) { svg .on { fill: #0b0e12; font-weight: 600; } }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--rule); vertical-align: top;
  overflow-wrap: anywhere; } tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: 13px; overflow-wrap: normal; }
tbody th { font-weight: 500; color: var(--soft); } .facts th { width: 38%; }
.told th:first-child, .told td:first-child { white-space: nowrap; color: var(--soft); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } tr.chosen { font-weight: 650; }
pre { margin: 0; overflow-x: auto; font: 13px/1.55 ui-monospace, "SF Mono", Menlo, Consolas, "Noto Sans Mono", monospace; }
details > summary { cursor: pointer; color: var(--soft); font-size: 14px; } details[open] > summary { margin-bottom: 10px; }
.note { color: var(--soft); font-size: 13px; margin: 10px 0 0; } footer { color: var(--soft); font-size: 12.5px; }
@media print { :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #ccc;
  --grid: #e5e5e5; --best: #888; --right: #1f77b4; --wrong: #d1495b; --c0: #1f6fb4; --c1: #e07b00; --c2: #00916e;
  --c3: #b3478f; --c4: #7a5fc0; --c5: #9b6a2f; --c6: #2aa5c9; --c7: #6b7480; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } svg .on { fill: #fff; } body { font-size: 12px; }
  main { padding: 0; max-width: none; } section, .tile { padding: 12px 14px; } .charts { grid-template-columns: 1fr 1fr; } }
""" + "".join(f".line.c{i} {{ stroke: var(--c{i}); }} .dot.c{i}, .point.c{i}:hover {{ fill: var(--c{i}); }}\n"
               for i in range(8))
