"""What a redrive says at its end."""

from __future__ import annotations

import pytest

from b2bpilot.advice import Place, written
from b2bpilot.cli.dlq.discarded_view import discarded_lines
from b2bpilot.cli.dlq.redrive_report import told
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.redrive.summary import Summary, require_everything_completed


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        (1, "1 dead letter was completed before and is only removed from the queue"),
        (1_200, "1,200 dead letters were completed before and are only removed from the queue"),
    ],
)
def test_what_was_completed_before_is_told_in_number(removed: int, said: str) -> None:
    assert said in told(Summary(removed=removed))


def test_where_no_row_was_asked_the_summary_calls_nothing_stored_as_a_row_says() -> None:
    done = Summary(processed=1, rows_asked=False)
    assert told(done) == ["1 dead letter processed, as the function said; no row was asked"]
    with pytest.raises(PartlyFailed, match="1 processed, as the function said; no row was asked"):
        require_everything_completed(done, again="")


def test_each_count_names_its_unit() -> None:
    done = Summary(completed=2, set_aside=1, not_sent=3)
    assert told(done)[0] == "2 dead letters whose messages are completed, as their rows say"
    assert all(" dead letter" in line for line in told(done))
    with pytest.raises(PartlyFailed, match="2 dead letters completed, 4 not"):
        require_everything_completed(done, again="")


@pytest.mark.parametrize("by_answers", [False, True])
def test_others_dead_letters_are_told_and_are_no_failure(by_answers: bool) -> None:
    done = Summary(
        completed=0 if by_answers else 20, processed=20 * by_answers, others=40, is_by_answers=by_answers
    )

    require_everything_completed(done, again="")

    assert told(done)[-1] == "40 dead letters of other subscribers left in the queue"
    assert done.counts()["others"] == 40


@pytest.mark.parametrize(
    ("messages", "named", "taken"), [(1, 1, "them"), (10, 10, "them"), (12, 10, "those of the first 10")]
)
def test_the_discard_of_what_was_discarded_before_names_its_messages_alone(
    messages: int, named: int, taken: str
) -> None:
    (line,) = discarded_lines({"run-1": [f"id-{n}" for n in range(messages)]})

    text = written(line, Place(environment="prod"))

    words = "".join(f" --message-id id-{n}" for n in range(named))
    assert f"`b2bpilot dlq discard -e prod{words}` takes {taken} out, too" in text
