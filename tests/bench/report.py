"""Medians and their spread as a table, as JSON, as a plot."""

import statistics
from xml.sax.saxutils import escape

# Against whom each of Quoin's figures is held.
REFERENCES = ("raw", "raw-dsync", "raw-nbd", "floor", "floor-flush", "ceph")


def median_of(samples):
    """metric -> {median, low, high} over the repetitions."""
    found = {}
    for metric in samples[0]:
        values = [s[metric] for s in samples if metric in s]
        found[metric] = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return found


def ratios(row):
    """Of one load: contender of Quoin -> reference -> its iops and its p50 as multiples of the reference's."""
    found = {}
    for name, figures in row.items():
        if not name.startswith("quoin"):
            continue
        found[name] = {
            other: {metric: figures[metric]["median"] / row[other][metric]["median"]
                    for metric in ("iops", "p50_us", "tps")
                    if metric in figures and metric in row[other] and row[other][metric]["median"] > 0}
            for other in REFERENCES if other in row}
    return found


def table(results, durable):
    lines = [f"{'load':<36}{'contender':<14}{'iops':>9}{'spread':>8}{'MiB/s':>8}{'p50 us':>9}{'p99 us':>9}"
             f"{'cpu us':>8}"]
    for load, row in results.items():
        for name, figures in row.items():
            def of(metric, form="{:.0f}", figures=figures):
                return form.format(figures[metric]["median"]) if metric in figures else "-"
            rate = figures.get("iops") or figures.get("tps")
            spread = (rate["high"] - rate["low"]) / rate["median"] * 100 if rate["median"] else 0
            lines.append(f"{load:<36}{name:<14}{rate['median']:>9.0f}{spread:>7.0f}%{of('mib_s'):>8}{of('p50_us'):>9}"
                         f"{of('p99_us'):>9}{of('cpu_us'):>8}")
        for name, by_other in ratios(row).items():
            for other, figures in by_other.items():
                words = [f"{figures[m]:.2f} x its {w}" for m, w in (("iops", "iops"), ("p50_us", "p50"), ("tps", "tps"))
                         if m in figures]
                if words:
                    lines.append(f"{'':<36}{name} against {other}: {', '.join(words)}")
    lines += ["", "On stable storage when a write is answered:"]
    lines += [f"  {name:<14}{text}" for name, text in durable.items()]
    return "\n".join(lines)


COLOURS = ("#888888", "#bbbbbb", "#b8860b", "#e6b800", "#1f5fbf", "#3c9d3c", "#b03060", "#7a3fb0")


def plot(results):
    """One bar a contender, one group a load, iops as a share of the load's best: SVG."""
    bar, gap, height, left = 14, 24, 240, 60
    names = list(dict.fromkeys(name for row in results.values() for name in row))
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    at, parts = left, []
    for load, row in results.items():
        rates = {n: (f.get("iops") or f.get("tps"))["median"] for n, f in row.items()}
        best = max(rates.values()) or 1
        begin = at
        for name, rate in rates.items():
            size = rate / best * height
            parts.append(f'<rect x="{at}" y="{20 + height - size:.1f}" width="{bar - 2}" height="{size:.1f}" '
                         f'fill="{colour[name]}"><title>{escape(name)}: {rate:.0f}</title></rect>')
            at += bar
        parts.append(f'<text x="{begin}" y="{height + 34}" font-size="10" transform="rotate(28 {begin} {height + 34})">'
                     f'{escape(load)} ({best:.0f})</text>')
        at += gap
    for i, name in enumerate(names):
        x, y = left + i % 4 * 150, height + 150 + i // 4 * 16
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour[name]}"/>'
                     f'<text x="{x + 14}" y="{y}" font-size="11">{escape(name)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" width="{max(at + 80, 680)}" '
            f'height="{height + 190}"><rect width="100%" height="100%" fill="white"/>'
            f'<text x="{left}" y="14" font-size="11">operations a second, as a share of the best of each load</text>'
            f'{"".join(parts)}</svg>\n')
