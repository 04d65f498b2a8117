"""The report of the search case: one HTML file that stands alone, bars in SVG and the tables they were drawn from."""

from __future__ import annotations

from html import escape
from typing import Any

from figures import COLUMNS, OURS, asked_of, threads_of

WIDTH, NAME, HEIGHT = 560, 250, 22
STYLE = """
:root { color-scheme: light dark; --ours: #1769aa; --theirs: #9aa5b1; --floor: #c62828; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; } svg { max-width: 100%; height: auto; } text { font-size: 12px; fill: currentColor; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { text-align: right; padding: .15rem .6rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.ours { fill: var(--ours); } .theirs { fill: var(--theirs); } .floor { stroke: var(--floor); stroke-dasharray: 4 3; }
.spread { stroke: currentColor; } tr.us { font-weight: 600; } .bad { color: var(--floor); }
"""
LEGEND = """Every library runs in a process of its own, in turns. Bars are medians of wall time; the thin line on each is the middle
half of the rounds. The red line is the floor: what this machine's own float32 matrix product, or one reading of the rows, takes in the
same run. Bars longer than ten times the shortest are cut off. “x best” compares with the best library that is not tokenspace, on as
many threads or fewer: below 1 is faster. A row is wrong if it is none of the k nearest by an exhaustive search in float64; elsewhere
counts other ids in a place."""


def render(document: dict[str, Any]) -> str:
    """Return the page of a document as `cases/search.py` keeps it."""
    machine = document["machine"]
    where = f"{document['date']}; {machine['processor']}, {machine['cpus']} CPUs, {machine['system']}, Python {machine['python']}, "
    where += f"kernels {machine['kernels']}; {document['rounds']} rounds."
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        f"<title>Exact search, measured</title><style>{STYLE}</style><h1>Exact search, measured</h1><p>{escape(where)}</p><p>{LEGEND}</p>",
    ]
    for run in document["runs"]:
        for kind in ("batch", "single"):
            head = f"{run['title']}: {run['measure'].replace('_', ' ')}, {asked_of(run, kind)}, {threads_of(run)}"
            parts += [f"<h2>{escape(head)}</h2>", _bars(run["tables"][kind], run["floors"][kind]), _table(run["tables"][kind])]
    return "\n".join(parts) + "\n"


def _bars(lines: list[dict[str, Any]], floor: float) -> str:
    lines = [line for line in lines if "wall" in line]
    if not lines:
        return "<p>Nothing was measured.</p>"
    fastest = min(line["wall"] for line in lines)
    end = min(max(line["wall_spread"][1] for line in lines), 10 * fastest)
    end = max(end, floor) * 1.02
    place = lambda seconds: NAME + min(seconds, end) / end * WIDTH  # noqa: E731 - used on each line below
    marks = []
    for i, line in enumerate(lines):
        y = i * HEIGHT
        low, high = line["wall_spread"]
        kind = "ours" if line["peer"] == OURS else "theirs"
        more = " …" if line["wall"] > end else ""
        marks.append(
            f"<text x='{NAME - 8}' y='{y + 15}' text-anchor='end'>{escape(line['peer'])}</text>"
            f"<rect class='{kind}' x='{NAME}' y='{y + 3}' width='{place(line['wall']) - NAME:.1f}' height='{HEIGHT - 6}'/>"
            f"<path class='spread' d='M{place(low):.1f} {y + HEIGHT / 2}H{place(high):.1f}'/>"
            f"<text x='{place(max(line['wall'], high)) + 6:.1f}' y='{y + 15}'>{1e3 * line['wall']:.4g} ms{more}</text>"
        )
    tall = len(lines) * HEIGHT
    marks.append(f"<path class='floor' d='M{place(floor):.1f} 0V{tall}'><title>floor {1e3 * floor:.4g} ms</title></path>")
    return f"<svg viewBox='0 0 {NAME + WIDTH + 110} {tall}' role='img' aria-label='Wall time of each library'>{''.join(marks)}</svg>"


def _table(lines: list[dict[str, Any]]) -> str:
    rows = ["<tr><th></th>" + "".join(f"<th>{escape(name)}</th>" for name, _ in COLUMNS) + "</tr>"]
    for line in lines:
        if "wall" not in line:
            rows.append(f"<tr><td>{escape(line['peer'])}</td><td colspan='{len(COLUMNS)}'>{escape(line['why'])}</td></tr>")
            continue
        name = " ".join(filter(None, [line["peer"], line["version"]]))
        cells = "".join(f"<td{_alarm(title, line)}>{write(line)}</td>" for title, write in COLUMNS)
        rows.append(f"<tr{' class=us' if line['peer'] == OURS else ''}><td>{escape(name)}</td>{cells}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _alarm(title: str, line: dict[str, Any]) -> str:
    return " class=bad" if title == "wrong" and line["wrong"] else ""
