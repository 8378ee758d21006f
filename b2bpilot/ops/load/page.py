"""The report as one page that can be opened from a mail: nothing is loaded, no script runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from b2bpilot.advice import NOWHERE, Place, written
from b2bpilot.ops.load.plots import NAMES, duration, histogram_plot, timeline_plot
from b2bpilot.ops.load.report import PERCENTILES, LoadLatency, PromiseOutcome, Report
from b2bpilot.plural import many

STYLE = """
:root { color-scheme: light dark; --ink: #1b2330; --muted: #5b6678; --paper: #ffffff; --panel: #f5f7fa; --line: #dde3ea;
  --good: #1a7f4b; --bad: #c0352b; --unsure: #9a6700; --accepted: #3b6fd4; --stored: #22a06b; --errors: #d6493e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --muted: #9aa5b5; --paper: #12161d; --panel: #1b212b;
  --line: #2f3845; --good: #4cc38a; --bad: #ff7b72; --unsure: #e3b341; --accepted: #6ea0ff; --stored: #3ecf8e; --errors: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 960px; padding: 40px 24px 64px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; } h2 { font-size: 17px; margin: 36px 0 10px; }
.muted { color: var(--muted); margin: 0; }
.banner { margin: 24px 0; padding: 16px 20px; border-radius: 10px; border-left: 6px solid; background: var(--panel); font-size: 17px; }
.proved { border-color: var(--good); } .broken { border-color: var(--bad); } .unknown { border-color: var(--unsure); }
.tiles { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; }
.tile { background: var(--panel); border-radius: 10px; padding: 14px 16px; }
.tile b { display: block; font-size: 24px; font-variant-numeric: tabular-nums; } .tile span { color: var(--muted); font-size: 13px; }
table { width: 100%; border-collapse: collapse; } th, td { text-align: left; padding: 8px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--muted); font-weight: 600; font-size: 13px; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { font-weight: 700; white-space: nowrap; } .verdict.proved { color: var(--good); } .verdict.broken { color: var(--bad); }
.verdict.unknown { color: var(--unsure); } .verdict.nothing { color: var(--muted); font-weight: 400; }
.plot { overflow-x: auto; } svg { width: 100%; min-width: 600px; height: auto; display: block; } svg text { fill: var(--ink); font-size: 13px; }
svg .title { fill: var(--muted); } .grid { stroke: var(--line); }
.accepted { fill: var(--accepted); } .stored { fill: var(--stored); } .errors { fill: var(--errors); }
.legend { display: flex; gap: 18px; color: var(--muted); font-size: 13px; } .legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
code { font-size: 13px; overflow-wrap: anywhere; }
footer { margin-top: 40px; color: var(--muted); font-size: 13px; } @media print { body { padding: 0; } h2 { break-after: avoid; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report, place: Place = NOWHERE) -> str:
    """Return the page's HTML."""
    title = f"Load of {report.environment}, {report.started_at:%Y-%m-%d %H:%M} UTC"
    sections = [
        f"<header><h1>{escape(title)}</h1><p class='muted'>{escape(_subtitle(report))}</p></header>",
        _banner(report),
        _tiles(report),
        _section("What was promised, and what was found", _checks(report)),
        _section("Over time", _legend() + timeline_plot(report.timeline)),
        _section("Latency", _latencies(report) + _histograms(report)),
        _section(
            "What happened",
            _list(report.story) if report.story else "<p class='muted'>Nothing stood out.</p>",
        ),
        _section("Requests that were not accepted at once", _troubles(report)) if report.troubles else "",
        _section("What was sent", _sent(report, place)),
        f"<footer>{_footer(report)}</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n{chr(10).join(sections)}\n</body></html>\n"
    )


def _subtitle(report: Report) -> str:
    route = "the webhook" if report.plan.via.value == "webhook" else "the topic"
    return (
        f"{many(report.messages, 'test message')} from {many(report.plan.clients, 'client')} through {route}; "
        f"account {report.account_id}, {report.region}; run {report.run_id}"
    )


def _banner(report: Report) -> str:
    broken = [check for check in report.checks if check.verdict is PromiseOutcome.BROKEN]
    unknown = [check for check in report.checks if check.verdict is PromiseOutcome.UNKNOWN]
    if broken:
        kind, text = "broken", f"Not proved: {'; '.join(check.detail for check in broken)}"
    elif unknown:
        kind = "unknown"
        text = f"{_stored(report)} Not known: {'; '.join(check.promise for check in unknown)}."
    else:
        kind, text = "proved", _stored(report)
    return f'<div class="banner {kind}">{escape(text)}</div>'


def _stored(report: Report) -> str:
    return f"{many(report.stored, 'message')} stored, each exactly once; none lost."


def _tiles(report: Report) -> str:
    stored = report.stored_per_second
    tiles = (
        (f"{report.accepted:,}", "request accepted" if report.accepted == 1 else "requests accepted"),
        (f"{report.requests_per_second:,.0f}/s", "accepted, on average"),
        (f"{report.stored:,}", "message stored" if report.stored == 1 else "messages stored"),
        (f"{stored:,.0f}/s" if stored is not None else "unknown", "stored, until the last row"),
        (_shown(report.accept, "p95"), "accept, 95 % within"),
        (_shown(report.store, "p95"), _named_store(report)),
    )
    parts = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for value, name in tiles
    )
    return f'<div class="tiles">{parts}</div>'


def _named_store(report: Report) -> str:
    name = "accept to stored, 95 % within"
    is_early = report.store.percentile(PERCENTILES["p95"]) == 0
    return f"{name}: stored before the answer had arrived" if is_early else name


def _shown(latency: LoadLatency, name: str) -> str:
    value = latency.percentile(PERCENTILES[name])
    return "unknown" if value is None else duration(value)


def _checks(report: Report) -> str:
    rows = [
        (
            f'<span class="verdict {check.verdict.name.lower()}">{escape(check.verdict.value)}</span>',
            check.promise,
            check.detail,
        )
        for check in report.checks
    ]
    body = "".join(
        f"<tr><td>{verdict}</td><td>{escape(promise)}</td><td>{escape(detail)}</td></tr>"
        for verdict, promise, detail in rows
    )
    return f"<table><thead><tr><th>Verdict</th><th>Promise</th><th>Found</th></tr></thead><tbody>{body}</tbody></table>"


def _legend() -> str:
    parts = "".join(
        f'<span><i style="background: var(--{name})"></i>{several}</span>'
        for name, (_, several) in NAMES.items()
    )
    return f'<div class="legend">{parts}</div>'


def _latencies(report: Report) -> str:
    rows = [
        ("accept: request to answer", report.accept),
        ("accept to stored: answer to completed row", report.store),
    ]
    if report.urgency is not None:
        rows += [(f"of these, {one.value} priority", found) for one, found in report.urgency.latency.items()]
    body = [
        [name, *(_shown(latency, percentile) for percentile in PERCENTILES), f"{len(latency.values):,}"]
        for name, latency in rows
    ]
    table = _table(["", *PERCENTILES, "count"], body)
    clocks = f"The clocks of the two sides could be compared to {duration(report.clock_error_ms)}."
    lane = f"{report.urgency.sentence.capitalize()}." if report.urgency else None
    return f"{table}{_note(report.early)}{_note(clocks)}{_note(lane)}"


def _note(text: str | None) -> str:
    return f'<p class="muted">{escape(text)}</p>' if text else ""


def _histograms(report: Report) -> str:
    accept = histogram_plot(report.accept, what="request")
    store = histogram_plot(report.store, what="message")
    return f"<h2>Accept</h2>{accept}<h2>Accept to stored</h2>{_note(report.early)}{store}"


def _troubles(report: Report) -> str:
    rows = [
        [trouble.kind, f"{trouble.first_at:%H:%M:%S}", f"{trouble.last_at:%H:%M:%S}", f"{trouble.count:,}"]
        for trouble in report.troubles
    ]
    return _table(["What", "First (UTC)", "Last (UTC)", "Count"], rows)


def _sent(report: Report, place: Place) -> str:
    plan = report.plan
    much = f"{plan.requests:,} each" if plan.requests else f"for {plan.spelled_duration}"
    rows = [
        ["Clients", f"{plan.clients:,}, {much}"],
        ["Ramp", f"{plan.ramp.total_seconds():g} s"],
        ["Sent twice", f"{plan.duplicates:.1%}"],
        ["Poison", f"{plan.poison:.1%}"],
        ["Requests", f"{report.requests:,} in {report.seconds:.1f} s, those that were made again included"],
        [
            "Removed again",
            f"{many(report.cleaning.rows, 'row')}, {many(report.cleaning.dead_letters, 'dead letter')}",
        ],
        *[["Left there", written(line, place)] for line in report.cleaning.left],
    ]
    return _table([], rows, numbers=False)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    def cell(tag: str, place: int, text: str) -> str:
        kind = ' class="number"' if numbers and place else ""
        return f"<{tag}{kind}>{escape(text)}</{tag}>"

    head = "".join(cell("th", place, text) for place, text in enumerate(headings))
    body = "".join(
        f"<tr>{''.join(cell('td', place, text) for place, text in enumerate(row))}</tr>" for row in rows
    )
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _section(heading: str, body: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>{body}</section>"


def _footer(report: Report) -> str:
    return (
        f"Made by <code>b2bpilot load</code>. Stored means that the row in the database is completed. "
        f"The journal of run <code>{escape(report.run_id)}</code> has every request."
    )
