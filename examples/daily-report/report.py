"""Draws report.html: a map of the zones and two bar charts, as SVG, from what the earlier steps left."""
import html
import json

from steps import OUT, begin, output, publish

COLOURS = {
    "Africa": "#d97706", "America": "#2563eb", "Antarctica": "#64748b", "Asia": "#dc2626", "Atlantic": "#0891b2",
    "Australia": "#16a34a", "Europe": "#7c3aed", "Indian": "#be185d", "Pacific": "#0d9488",
}
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
svg { width: 100%; height: auto; } svg text { font-size: 13px; fill: currentColor; }
.sea { fill: #8881; stroke: #8884; } .grid { stroke: #8883; } figcaption { opacity: .75; }
"""


def table(name):
    return [line.split("\t") for line in (OUT / name).read_text(encoding="utf-8").splitlines()]


def world_map(zones):
    """Each zone's principal place, on a plain latitude and longitude grid."""
    parts = ['<svg viewBox="0 0 720 360" role="img" aria-label="Map of time zones">',
             '<rect class="sea" width="720" height="360"/>']
    parts += [f'<line class="grid" x1="{x}" y1="0" x2="{x}" y2="360"/>' for x in range(30, 720, 30)]
    parts.append('<line class="grid" x1="0" y1="180" x2="720" y2="180"/>')
    for zone, region, latitude, longitude, countries in zones:
        x, y = (float(longitude) + 180) * 2, (90 - float(latitude)) * 2
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{COLOURS.get(region, "#888")}">'
                     f"<title>{html.escape(zone)} ({html.escape(countries)})</title></circle>")
    return "\n".join([*parts, "</svg>"])


def bars(rows, label):
    """A horizontal bar for each (name, number, colour)."""
    most = max(number for _, number, _ in rows)
    parts = [f'<svg viewBox="0 0 720 {len(rows) * 26}" role="img" aria-label="{html.escape(label)}">']
    for place, (name, number, colour) in enumerate(rows):
        y, width = place * 26, 540 * number / most
        parts.append(f'<text x="0" y="{y + 16}">{html.escape(name)}</text>'
                     f'<rect x="110" y="{y + 3}" width="{width:.1f}" height="18" rx="3" fill="{colour}"/>'
                     f'<text x="{118 + width:.1f}" y="{y + 16}">{number}</text>')
    return "\n".join([*parts, "</svg>"])


def page(zones, regions, decades, checked):
    by_region = [(name, int(number), COLOURS.get(name, "#888")) for name, number, _ in regions]
    by_decade = [(f"{decade}s", int(number), "#2563eb") for decade, number in decades]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>The world's civil time</title><style>{STYLE}</style></head><body>
<h1>The world's civil time</h1>
<p>{checked["zones"]} time zones whose clocks have differed since 1970, in {checked["countries"]} countries and territories.</p>
<figure>{world_map(zones)}<figcaption>The principal place of each zone.</figcaption></figure>
<h2>Zones by region</h2><figure>{bars(by_region, "Zones by region")}</figure>
<h2>Daylight saving rules by decade</h2><figure>{bars(by_decade, "Rules by decade")}
<figcaption>Rules that began in each decade, over all zones.</figcaption></figure>
<p><small>Source: IANA time zone database, release 2025b, public domain.</small></p>
</body></html>
"""


def main():
    begin()
    zones, regions, decades = table("zones.tsv"), table("by-region.tsv"), table("by-decade.tsv")
    checked = json.loads((OUT / "validated.json").read_text())
    text = page(zones, regions, decades, checked)
    publish("report.html", text)
    output({"page": "report.html", "bytes": len(text.encode()), "zones": len(zones)})
    print(f"drew {len(zones)} zones, {len(regions)} regions, {len(decades)} decades")


main()
