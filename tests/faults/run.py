"""One run: traffic, faults and commands side by side; then heal, settle, drain, and balance the books."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from tests.faults import evidence, settling
from tests.faults.books import Book, Evidence, message_books
from tests.faults.commands import CommandLine, interruptible
from tests.faults.deployment import Deployment, deployed
from tests.faults.drain import drain
from tests.faults.episodes import EPISODES, Episode, Faults
from tests.faults.journals import archived, helped, journal_book, published, runs_of
from tests.faults.last_words import last_words
from tests.faults.operators import Operator
from tests.faults.options import Options
from tests.faults.settling import Settled, slowest_unhelped
from tests.faults.strangers import copy_database, subscribe, theirs_book
from tests.faults.summaries import command_book
from tests.faults.summary import Summary
from tests.faults.traffic import Kind, Sent, Traffic, sid_of
from tests.faults.truths import truth_book

Progress = Callable[[str], None]

TELL_SECONDS = 30.0
REST_SECONDS = 60.0
"""What a redrive sent has become a row or a dead letter again by then."""


def run(
    home: Path,
    options: Options,
    *,
    episodes: Mapping[str, Episode] = EPISODES,
    progress: Progress = lambda _: None,
) -> Summary:
    progress("starting the local environment behind proxies")
    with interruptible(), deployed(home, options) as deployment:
        subscribe(deployment)
        copy_database(deployment, (sid_of(options.seed, number) for number in range(options.messages)))
        return _Run(deployment, options, episodes, progress).all()


class _Run:
    def __init__(
        self, deployment: Deployment, options: Options, episodes: Mapping[str, Episode], progress: Progress
    ) -> None:
        self._deployment = deployment
        self._options = options
        self._progress = progress
        self._traffic = Traffic(deployment, options)
        self._faults = Faults(deployment, options.seed, episodes)
        self._line = CommandLine(deployment, deployment.machine.home)
        self._healing = threading.Event()

    def all(self) -> Summary:
        self._trouble()
        self._deployment.proxies.heal()
        healed_at = time.time()
        self._progress(f"healed; waiting at most {self._options.settle_seconds:.0f} s until everything rests")
        settled = self._settle(healed_at, within=self._options.settle_seconds)
        self._progress(f"{settled}; draining the dead-letter queue")
        drain(
            self._deployment,
            self._line,
            lambda: self._settle(time.time(), within=REST_SECONDS),
            poison=self._poison(),
            corrected=self._options.samples,
        )
        self._progress("balancing the books")
        return self._summary(settled)

    def _trouble(self) -> None:
        options = self._options
        self._progress(f"{options.minutes:g} minutes of traffic, faults and commands (seed {options.seed})")
        threads = [threading.Thread(target=self._faults.run, args=(self._healing,))]
        threads += [threading.Thread(target=self._traffic.run, args=(self._healing,))]
        threads += [
            threading.Thread(target=self._operator(number).run, args=(self._healing,))
            for number in range(options.operators)
        ]
        for thread in threads:
            thread.start()
        try:
            self._tell_until(time.monotonic() + options.seconds)
        finally:
            self._healing.set()
            for thread in threads:
                thread.join()

    def _tell_until(self, end: float) -> None:
        while (left := end - time.monotonic()) > 0:
            self._healing.wait(min(left, TELL_SECONDS))
            self._progress(
                f"{len(self._traffic.sent):,} messages, {self._faults.counts.total()} episodes of faults, "
                f"{len(self._line.ran)} commands"
            )

    def _settle(self, healed_at: float, *, within: float) -> Settled:
        return settling.settle(self._deployment, self._expected(), healed_at=healed_at, within=within)

    def _operator(self, number: int) -> Operator:
        sids = _Sids(self._traffic.sent)
        return Operator(self._deployment, self._line, f"{self._options.seed} operator {number}", sids)

    def _expected(self) -> set[str]:
        accepted = {evidence.message_id_of(sent.sid) for sent in self._traffic.sent if sent.is_accepted}
        return accepted | published(runs_of(self._deployment.machine.home))

    def _poison(self) -> set[str]:
        return {evidence.message_id_of(sent.sid) for sent in self._traffic.sent if sent.kind is Kind.POISON}

    def _summary(self, settled: Settled) -> Summary:
        home = self._deployment.machine.home
        runs = runs_of(home)
        found = Evidence(
            sent=self._traffic.sent,
            rows=evidence.rows(self._deployment),
            dead_letters=evidence.dead_letters(self._deployment),
            replies=evidence.replies(self._deployment),
            archived=archived(home),
        )
        self._keep()
        return Summary(
            options=self._options,
            sent=self._traffic.sent,
            episodes=self._faults.counts,
            injected={name: proxy.control.injected for name, proxy in self._deployment.proxies.all.items()},
            commands=self._line.ran,
            settled=settled,
            slowest_seconds=slowest_unhelped(found, helped(runs)),
            books=[
                *message_books(found),
                theirs_book(self._traffic.sent, found),
                last_words(self._line, found, self._options),
                _settled_book(settled, self._options),
                journal_book(runs, found),
                truth_book(self._line.ran, runs, found),
                command_book(self._line.ran),
            ],
            not_made=self._faults.failures,
        )

    def _keep(self) -> None:
        messages = [asdict(sent) for sent in self._traffic.sent]
        (self._deployment.machine.home / "messages.json").write_text(json.dumps(messages, indent=1))


class _Sids:
    """The SIDs of the messages so far, as a sequence that grows."""

    def __init__(self, sent: list[Sent]) -> None:
        self._sent = sent

    def __len__(self) -> int:
        return len(self._sent)

    def __getitem__(self, place: int) -> str:
        return self._sent[place].sid


def _settled_book(settled: Settled, options: Options) -> Book:
    book = Book(
        promise=f"nothing is unsettled {options.settle_seconds:.0f} s after healing",
        looked_at=f"the last one came to rest after {settled.seconds:.0f} s",
    )
    book.broken += [f"{message_id} is under way" for message_id in settled.unsettled]
    return book
