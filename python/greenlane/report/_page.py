"""The page: its sections, its look, and its policy, which lets it load nothing."""

from pathlib import Path

from greenlane.report._audits import audits
from greenlane.report._candidates import plans
from greenlane.report._curves import curves
from greenlane.report._distributions import distributions
from greenlane.report._environment import environment, repetition
from greenlane.report._figures import library
from greenlane.report._latency import latency
from greenlane.report._map import unit_map
from greenlane.report._read import Documents
from greenlane.report._summary import summary
from greenlane.report._text import escape
from greenlane.report._timeline import timeline

# The browser refuses any other request of the page, also by Plotly's code for maps and fonts.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; background: #fff; max-width: 1180px; margin: 0 auto;
  padding: 24px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 20px; margin: 40px 0 8px; padding-top: 12px; border-top: 1px solid #d1d5db; }
h3 { font-size: 15px; margin: 20px 0 6px; }
nav a { margin-right: 14px; }
a { color: #004f8b; }
.note { color: #4b5563; font-size: 13px; max-width: 95ch; margin: 6px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; margin: 6px 0 12px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 4px 10px 4px 0; border-bottom: 1px solid #e5e7eb; vertical-align: top; }
th { border-bottom: 2px solid #9ca3af; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.mode, .chosen { font-weight: 600; }
.late { color: #b00020; }
.missed { color: #b00020; font-weight: 600; background: #fdecee; }
figure { margin: 8px 0 16px; }
pre { background: #f3f4f6; padding: 12px; overflow-x: auto; font-size: 13px; }
svg.map { max-width: 100%; height: auto; display: block; }
svg.map text { fill: #1f2933; }
ul.key { list-style: none; padding: 0; margin: 8px 0; display: flex; flex-wrap: wrap; gap: 4px 24px; }
.swatch { display: inline-block; min-width: 22px; text-align: center; }
@media print { nav { display: none; } h2, figure { break-inside: avoid; } }
"""


def render(documents: Documents, page: Path) -> str:
    """Returns the whole page; equal files give equal pages."""
    sections = [
        ("summary", "Summary", summary(documents)),
        ("latency", "Latency per mode", latency(documents)),
        ("distributions", "Latency distributions", distributions(documents)),
        ("timeline", "Timeline around the worst request", timeline(documents)),
        ("curves", "Latency against units", curves(documents)),
        ("plans", "Plans", plans(documents)),
        ("audit", "Audit", audits(documents.audits)),
        ("map", "Units and lanes", unit_map(documents)),
        ("environment", "Environment", environment(documents)),
        ("repeat", "How to repeat it", repetition(documents, page)),
    ]
    shown = [section for section in sections if section[2]]
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in shown)
    bodies = "\n".join(f'<section id="{name}"><h2>{title}</h2>\n{body}\n</section>' for name, title, body in shown)
    files = ", ".join(source.file for _, source in documents.sources())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>greenlane: {escape(files)}</title>
<style>{_STYLE}</style>
{library()}
</head>
<body>
<h1>greenlane report</h1>
<p class=note>{escape(files)}</p>
<nav>{links}</nav>
<noscript><p>Plots need JavaScript; tables and maps do not.</p></noscript>
{bodies}
</body>
</html>
"""
