"""Turns the time zone database into two tables: zones.tsv and rules.tsv."""
import os
import sys

from steps import DATA, OUT, begin, output, publish

BUSY = 75  # EX_TEMPFAIL of sysexits.h: try again later


def meet_the_lock():
    """The first attempt finds its source locked; later ones clear the abandoned lock. See README.md."""
    lock = OUT / "source.lock"
    if os.environ.get("MAINSPRING_ATTEMPT", "1") == "1":
        lock.write_text("a mirror is still copying\n")
    if lock.exists() and os.environ.get("MAINSPRING_ATTEMPT", "1") == "1":
        print(f"the source is locked: {lock.read_text().strip()}", file=sys.stderr)
        sys.exit(BUSY)
    lock.unlink(missing_ok=True)


def degrees(text):
    """Reads ±DDMM, ±DDDMM, ±DDMMSS or ±DDDMMSS (ISO 6709)."""
    sign, digits = (-1 if text[0] == "-" else 1), text[1:]
    seconds = int(digits[-2:]) if len(digits) >= 6 else 0
    digits = digits[:-2] if len(digits) >= 6 else digits
    return sign * (int(digits[:-2]) + int(digits[-2:]) / 60 + seconds / 3600)


def split_coordinates(text):
    """Splits +4230+00131 before its second sign."""
    at = max(text.rfind("+"), text.rfind("-"))
    return degrees(text[:at]), degrees(text[at:])


def rows(name):
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def zones():
    """zone, region, latitude, longitude, country codes."""
    for line in rows("zone1970.tab"):
        countries, coordinates, zone = line.split("\t")[:3]
        latitude, longitude = split_coordinates(coordinates)
        yield f"{zone}\t{zone.split('/')[0]}\t{latitude:.4f}\t{longitude:.4f}\t{countries}"


def rules():
    """rule name, first year, last year: each `R` line of the database moves clocks in those years."""
    for line in rows("tzdata.zi"):
        if line.startswith("R "):
            _, name, first, last = line.split()[:4]
            last = {"o": first, "ma": "max"}.get(last, last)
            yield f"{name}\t{first}\t{last}"


def main():
    begin()
    meet_the_lock()
    zone_rows, rule_rows = list(zones()), list(rules())
    publish("zones.tsv", "\n".join(zone_rows) + "\n")
    publish("rules.tsv", "\n".join(rule_rows) + "\n")
    publish("countries.tsv", "\n".join(rows("iso3166.tab")) + "\n")
    output({"zones": len(zone_rows), "rules": len(rule_rows)})
    print(f"read {len(zone_rows)} zones and {len(rule_rows)} rules")


main()
