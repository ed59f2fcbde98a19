#!/usr/bin/env python3
"""Draws docs/frontier.svg: tasks over the time of a real crawl of the demo site.

    benches/frontier.py PROGRAM

Crawls the demo site with PROGRAM, which takes about a minute. The figures are those of its log at level debug
(one line per request and per batch, one progress line per second).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ITEMS, PAGE, WORKERS, LATENCY, FAULTS = 9040, 18, 32, 100, 0.2
STEP = 0.1  # seconds
WIDTH, LEFT, RIGHT = 760, 62, 742
# Top and bottom of the plots, in pixels.
PLOTS = [(86, 226), (276, 386), (436, 516)]
HEIGHT = 562
# Without a request in flight for so long, the host is paused.
PAUSE = 0.4  # seconds
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-size:15px;font-weight:600}"
    ".b{fill:#fff;stroke:#d1d9e0}.d{fill:#59636e}.l{stroke:#d1d9e0}.p{fill:none;stroke-width:2}"
    ".s1{stroke:#0969da}.s2{stroke:#1a7f64}.s3{stroke:#bc4c00}.f1{fill:#0969da}.f2{fill:#1a7f64}.f3{fill:#bc4c00}"
    ".w{fill:#bc4c00;opacity:.12}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.b{fill:#0d1117;stroke:#3d444d}.d{fill:#9198a1}"
    ".l{stroke:#3d444d}.s1{stroke:#4493f8}.s2{stroke:#3fb68b}.s3{stroke:#f0883e}"
    ".f1{fill:#4493f8}.f2{fill:#3fb68b}.f3{fill:#f0883e}.w{fill:#f0883e;opacity:.2}}"
)


def crawl(program, folder):
    """Returns the log's entries and the progress lines with their times."""
    log = folder / "log"
    command = [program, "demo", "--items", str(ITEMS), "--latency", f"{LATENCY}ms", "--faults", str(FAULTS)]
    command += ["--workers", str(WORKERS), "--read-timeout", "1s", "--progress", "on"]
    command += ["--store", f"sqlite:{folder / 'demo.db'}", "--log-format", "json", "--log-file", str(log)]
    environment = os.environ | {"RUST_LOG": "gleaner=debug"}
    child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, text=True)
    progress = [(time.time(), line) for line in child.stderr]
    if child.wait() not in (0, 3):
        sys.exit(f"{' '.join(command)}: exit {child.returncode}\n{progress[-1][1]}")
    return [json.loads(line) for line in log.read_text().splitlines()], progress


def field(entry, name):
    return entry.get(name, entry.get("fields", {}).get(name))


def when(entry):
    return datetime.fromisoformat(entry["timestamp"].replace("Z", "+00:00")).timestamp()


def curves(entries, progress):
    """Returns the duration, and per curve the points (seconds, value); and the pauses."""
    start = when(entries[0])
    requests = [entry for entry in entries if field(entry, "message") == "request"]
    listed, flight, stored = [(0, 0)], [], [(0, 0)]
    for entry in requests:
        end = when(entry) - start
        flight += [(end - field(entry, "ms") / 1000, 1), (end, -1)]
        if field(entry, "status") == 200 and str(field(entry, "page")).startswith("index"):
            listed.append((end, min(listed[-1][1] + PAGE, ITEMS)))
    for entry in entries:
        if field(entry, "message") == "batch":
            stored.append((when(entry) - start, stored[-1][1] + field(entry, "written")))
    now, steps = 0, []
    for at, change in sorted(flight):
        now += change
        steps.append((at, now))
    queued = [(0, 0)]
    for at, line in progress:
        if match := re.search(r"([\d,]+) queued", line):
            queued.append((at - start, int(match[1].replace(",", ""))))
    end = when(entries[-1]) - start
    queued.append((end, 0))
    pauses = [
        (began, ended)
        for (began, value), (ended, _) in zip(steps, steps[1:])
        if value == 0 and ended - began > PAUSE
    ]
    return end, listed, stored, queued, steps, pauses


def sampled(points, end):
    """Returns the last value at each step of time."""
    samples, at, value = [], 0, 0
    for step in range(int(end / STEP) + 1):
        while at < len(points) and points[at][0] <= step * STEP:
            value, at = points[at][1], at + 1
        samples.append((step * STEP, value))
    return samples


def path(points, style, most, plot, end):
    top, bottom = PLOTS[plot]
    shown = [
        f"{LEFT + x / end * (RIGHT - LEFT):.1f},{bottom - y / most * (bottom - top):.1f}" for x, y in points
    ]
    # A point between two equal ones says nothing.
    kept = [
        point for number, point in enumerate(shown)
        if number in (0, len(shown) - 1)
        or not (points[number - 1][1] == points[number][1] == points[number + 1][1])
    ]
    return f'<polyline class="p {style}" points="{" ".join(kept)}"/>'


def axes(plot, most, ticks, names):
    top, bottom = PLOTS[plot]
    out = []
    for tick in ticks:
        y = bottom - tick / most * (bottom - top)
        out.append(f'<line class="l" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text class="d" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:,}</text>')
    x = LEFT
    for name, style in names:
        out.append(f'<text class="{style}" x="{x}" y="{top - 12}">{name}</text>')
        x += 8 * len(name) + 24
    return out


def draw(end, listed, stored, queued, flight, pauses):
    title = f"A crawl of the demo site: {ITEMS:,} items, {LATENCY} ms latency, {WORKERS} workers"
    note = f"{FAULTS} % of the requests fail: 429 and 503, lost connections, stalled and truncated bodies"
    most = 10_000
    high = -(-max(value for _, value in queued) // 300) * 300
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{title}">',
        f"<style>{STYLE}</style>",
        f'<rect class="b" x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8"/>',
        f'<text class="t" x="16" y="28">{title}</text>',
        f'<text class="d" x="16" y="48">{note}</text>',
    ]
    scale = (RIGHT - LEFT) / end
    for top, bottom in PLOTS:
        for began, ended in pauses:
            svg.append(f'<rect class="w" x="{LEFT + began * scale:.1f}" y="{top}" '
                       f'width="{(ended - began) * scale:.1f}" height="{bottom - top}"/>')
    svg += axes(0, most, range(0, most + 1, 2_500), [("items listed", "f1"), ("items stored", "f2")])
    svg += axes(1, high, range(0, high + 1, high // 3), [("tasks in the frontier", "f1")])
    svg += axes(2, WORKERS, range(0, WORKERS + 1, WORKERS // 2),
                [("requests in flight", "f3"), ("shaded: the host is paused, as after Retry-After", "d")])
    svg.append(path(sampled(listed, end), "s1", most, 0, end))
    svg.append(path(sampled(stored, end), "s2", most, 0, end))
    svg.append(path(queued, "s1", high, 1, end))
    svg.append(path(sampled(flight, end), "s3", WORKERS, 2, end))
    for second in range(0, int(end) + 1, 5):
        x = LEFT + second * scale
        svg.append(f'<text class="d" x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{second}</text>')
    svg.append(f'<text class="d" x="{RIGHT}" y="{bottom + 38}" text-anchor="end">seconds</text></svg>')
    return "\n".join(svg) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        measured = curves(*crawl(sys.argv[1], Path(folder)))
    target = Path(__file__).parent.parent / "docs" / "frontier.svg"
    target.write_text(draw(*measured))
    print(f"wrote {target}")
