"""The rows: what is measured, against what, and what we want of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from bench import (
    backfill,
    claims,
    cold_start,
    express,
    hostile_input,
    memory,
    once,
    pair,
    publish,
    reconcile,
    redrive,
    start,
    webhook,
)
from bench.row import Bench, BenchRow, at_least, at_most

TYPER = "bare Typer help"
FLAT = 1.25
"""A hundred times as many may need so much more."""


def _memory(
    cases: Iterable[str], *, prefix: str = "memory", most: Mapping[str, float] | None = None
) -> list[BenchRow]:
    """Flat, and below what a small machine has to spare."""
    return [
        row
        for case in cases
        for named in [f"{prefix}-{'-'.join(re.findall('[a-z0-9]+', case))}"]
        for row in (
            BenchRow(
                name=named, way=f"{case}, 100,000", goal=at_most((most or {}).get(case, 150)), unit="MB"
            ),
            BenchRow(
                name=f"{named}-flat",
                way=f"{case}, 100,000",
                baseline=f"{case}, 1,000",
                goal=at_most(FLAT),
                unit="MB",
            ),
        )
    ]


BENCHES: Final = (
    Bench(
        name="first-word",
        measures="Processor time of whole processes until a command says its first word",
        turns=15,
        quick=3,
        measured_by=start.first_word,
        rows=[
            BenchRow(name="help", way="b2bpilot --help", baseline=TYPER, goal=at_most(0.85), unit="s"),
            BenchRow(
                name="version",
                way="b2bpilot --version",
                baseline="aws --version",
                goal=at_most(0.3),
                unit="s",
            ),
            *(
                BenchRow(
                    name=f"help-{words.replace(' ', '-')}",
                    way=f"b2bpilot {words} --help",
                    baseline=TYPER,
                    goal=at_most(0.85),
                    unit="s",
                )
                for words in ("publish", "status", "dlq redrive")
            ),
        ],
    ),
    Bench(
        name="cold-start",
        measures="Milliseconds of processor time of a fresh interpreter: a function's code, and the clients of its first event",
        turns=5,
        quick=3,
        measured_by=cold_start.imports,
        rows=[
            BenchRow(
                name=f"cold-{name.replace(' ', '-')}",
                way=name,
                baseline=f"boto3 for the {name}",
                goal=at_most(1.1),
                unit="ms",
            )
            for name in cold_start.FUNCTIONS
        ],
    ),
    Bench(
        name="commands",
        measures="Seconds at the prompt, of whole processes against an idle local environment",
        turns=7,
        measured_by=start.one_command,
        rows=[
            BenchRow(
                name="publish-one",
                way="b2bpilot publish",
                baseline="aws sns publish",
                goal=at_most(0.8),
                unit="s",
            ),
            BenchRow(name="verify", way="b2bpilot verify", goal=at_most(1.5), unit="s"),
            BenchRow(name="status", way="b2bpilot status", goal=at_most(1.0), unit="s"),
            BenchRow(name="dlq-list", way="b2bpilot dlq list", goal=at_most(1.0), unit="s"),
        ],
    ),
    *(
        Bench(
            name=f"redrive-{route}",
            measures=f"Dead letters per second, 1,000 of them, 10 ms each way from AWS, `--via {route}`",
            turns=5,
            measured_by=measured_by,
            rows=[
                BenchRow(
                    name=f"redrive-{route}",
                    way=redrive.OURS,
                    baseline=redrive.PLAIN,
                    goal=at_least(1.2),
                    unit="/s",
                ),
                BenchRow(
                    name=f"redrive-{route}-proved",
                    way=redrive.PROVED,
                    baseline=redrive.PLAIN_STORED,
                    goal=at_least(1.0),
                    unit="/s",
                ),
            ],
        )
        for route, measured_by in (("topic", redrive.via_topic), ("async", redrive.via_async))
    ),
    Bench(
        name="redrive-one-by-one",
        measures="Dead letters per second, 1,000 of them, 10 ms each way from AWS; one by one only 100",
        turns=3,
        measured_by=redrive.one_by_one,
        rows=[
            BenchRow(
                name=f"redrive-{route}-one-by-one",
                way=f"{redrive.OURS}, {route}",
                baseline=f"{redrive.ONE_BY_ONE}, {route}",
                goal=at_least(20),
                unit="/s",
            )
            for route in ("topic", "async")
        ],
    ),
    Bench(
        name="publish",
        measures="Messages per second, 5,000 of them, against a bare loop around boto3's PublishBatch",
        turns=3,
        measured_by=publish.sending,
        rows=[
            BenchRow(
                name="publish",
                way="publish, sending",
                baseline="PublishBatch, 8 threads",
                goal=at_least(1.1),
                unit="/s",
            ),
            BenchRow(
                name="publish-process",
                way="publish, whole process",
                baseline="PublishBatch, 8 threads, whole process",
                goal=None,
                unit="/s",
            ),
        ],
    ),
    *(
        Bench(
            name=name,
            measures=f"Messages per second, claim and complete, {connections}; the same statements in each way",
            turns=7,
            quick=quick,
            measured_by=measured_by,
            rows=[
                BenchRow(
                    name=f"{name}-pgbench",
                    way="b2bpilot",
                    baseline="pgbench",
                    goal=at_least(0.85),
                    unit="/s",
                    is_steady=False,
                ),
                BenchRow(
                    name=f"{name}-psycopg", way="b2bpilot", baseline="psycopg", goal=at_least(0.9), unit="/s"
                ),
                BenchRow(name=f"{name}-floor", way="psycopg", baseline="pgbench", goal=None, unit="/s"),
            ],
        )
        for name, connections, measured_by, quick in (
            ("claims", "on one connection", claims.on_one_connection, 3),
            ("claims-ten", "on ten connections of ten processes", claims.on_ten_connections, 0),
        )
    ),
    *(
        Bench(
            name=f"claims-{rows:,}".replace(",", ""),
            measures=f"Messages per second, claim and complete on one connection, in a table of {rows:,} rows",
            turns=7,
            measured_by=measured_by,
            is_large=rows == claims.LARGE,
            rows=[
                BenchRow(
                    name=f"claims-of-{rows:,}".replace(",", ""),
                    way=f"{rows:,} rows",
                    baseline=f"{claims.SMALL:,} rows",
                    goal=at_least(0.95),
                    unit="/s",
                )
            ],
        )
        for rows, measured_by in (
            (claims.LARGER, claims.in_a_table_of_a_million),
            (claims.LARGE, claims.in_a_table_of_ten_million),
        )
    ),
    Bench(
        name="large-table",
        measures="A table of 10,000,000 rows: what a row takes, and claim and complete, whole and in parts by the hash of the id",
        turns=3,
        measured_by=claims.of_a_large_table,
        is_large=True,
        rows=[
            BenchRow(name="bytes-table", way="table", goal=None, unit="bytes"),
            BenchRow(name="bytes-message-id", way="message_id index", goal=None, unit="bytes"),
            BenchRow(name="bytes-other-indexes", way="other indexes", goal=None, unit="bytes"),
            BenchRow(name="deleted", way="deleted", goal=None, unit="/s"),
            BenchRow(
                name="claims-in-parts", way=f"{claims.PARTS} parts", baseline="whole", goal=None, unit="/s"
            ),
        ],
    ),
    Bench(
        name="once",
        measures="Milliseconds of a message from event to commit, a subscriber's claim beside the processor's",
        turns=7,
        quick=3,
        measured_by=once.claims,
        rows=[BenchRow(name="once", way="once.py", baseline="processor", goal=at_most(1.0), unit="ms")],
    ),
    Bench(
        name="webhook-to-row",
        measures=(
            "Milliseconds from a webhook's POST to its completed row, 2 messages a second, with each `Delivery` and with the "
            "SQS version, whose batch window is 5 s, all in the same emulator"
        ),
        turns=5,
        measured_by=webhook.to_row,
        rows=[
            BenchRow(
                name=f"{mode}-{part}",
                way=f"{mode}, {part}",
                baseline=f"SQS version, {part}",
                goal=at_most(1 / 50) if (mode, part) == ("topic", "p50") else None,
                unit="ms",
            )
            for mode in ("topic", "queue")
            for part in ("p50", "p95")
        ],
    ),
    Bench(
        name="webhooks",
        measures="1,000 webhooks from 16 connections, 200 of them a second time",
        turns=3,
        measured_by=webhook.at_once,
        rows=[
            BenchRow(name="webhooks-accepted", way="accepted", goal=at_least(150), unit="/s"),
            BenchRow(name="webhooks-stored", way="stored", goal=None, unit="/s"),
        ],
    ),
    Bench(
        name="idle",
        measures="What an idle local environment takes, all its processes together, over 30 s",
        turns=1,
        measured_by=webhook.idle,
        rows=[
            BenchRow(name="idle-memory", way="memory", goal=None, unit="MB"),
            BenchRow(name="idle-processor", way="processor", goal=None, unit="%"),
        ],
    ),
    Bench(
        name="pair",
        measures="A fresh local environment until it is ready, and its memory: two regions beside one",
        turns=3,
        measured_by=pair.beside_one,
        rows=[
            BenchRow(
                name="pair-start", way="pair, start", baseline="one region, start", goal=at_most(2), unit="s"
            ),
            BenchRow(
                name="pair-memory",
                way="pair, memory",
                baseline="one region, memory",
                goal=at_most(2),
                unit="MB",
            ),
        ],
    ),
    Bench(
        name="hostile-input",
        measures="Milliseconds that twice as much of a stranger's text costs; linear is 2",
        turns=5,
        quick=1,
        measured_by=hostile_input.doubled,
        rows=[
            BenchRow(
                name=f"twice-the-{name.replace(', ', '-').replace(' ', '-')}",
                way=f"{name}, {2 * size:,}",
                baseline=f"{name}, {size:,}",
                goal=at_most(2.5),
                unit="ms",
            )
            for name, _, size in hostile_input.KINDS
        ],
    ),
    Bench(
        name="memory",
        measures="The most megabytes of a process, of 100,000 dead letters or lines beside 1,000; its goal is absolute",
        turns=1,
        measured_by=memory.of_each,
        rows=_memory(memory.CASES, most={"logs": 100}),
    ),
    Bench(
        name="memory-backfill",
        measures="The most megabytes of a process, of a table of 100,000 rows beside one of 1,000",
        turns=1,
        measured_by=backfill.of_each,
        rows=_memory(backfill.CASES),
    ),
    Bench(
        name="reconcile",
        measures="`twilio reconcile` of 100,000 messages that are all missing, beside 1,000",
        turns=1,
        measured_by=reconcile.missing,
        rows=[
            *_memory(["memory"], prefix="reconcile"),
            BenchRow(name="reconcile-seconds", way="seconds, 100,000", goal=at_most(60), unit="s"),
        ],
    ),
    Bench(
        name="express",
        measures="Milliseconds from a burst of 400 messages, 7 % of them high, to rows: the p50, with the processor slowed",
        turns=3,
        measured_by=express.under_a_backlog,
        rows=[
            BenchRow(
                name="express-high",
                way="high, express lane",
                baseline="normal, express lane",
                goal=at_most(1 / 3),
                unit="ms",
            ),
            BenchRow(
                name="express-lane",
                way="high, express lane",
                baseline="high, one lane",
                goal=at_most(1 / 3),
                unit="ms",
            ),
            BenchRow(
                name="express-normal",
                way="normal, express lane",
                baseline="normal, one lane",
                goal=at_most(1.1),
                unit="ms",
            ),
        ],
    ),
    Bench(
        name="express-flood",
        measures="Milliseconds from a burst of 1,000 urgent messages and 100 normal ones to rows, with the processor slowed",
        turns=3,
        measured_by=express.urgent_at_once,
        rows=[
            BenchRow(
                name="express-flood-normal",
                way="normal, p50, express lane",
                baseline="normal, p50, one lane",
                goal=at_most(1.1),
                unit="ms",
            ),
            *(
                BenchRow(
                    name=f"express-flood-last-{priority}",
                    way=f"{priority}, last, express lane",
                    baseline=f"{priority}, last, one lane",
                    goal=at_most(1.1),
                    unit="ms",
                )
                for priority in ("normal", "high")
            ),
        ],
    ),
    Bench(
        name="express-broken",
        measures="Of 100 urgent messages, those that are no rows in the end, with the express function deleted by hand",
        turns=1,
        measured_by=express.broken,
        rows=[BenchRow(name="express-broken", way="lost", goal=at_most(0), unit="messages")],
    ),
)
