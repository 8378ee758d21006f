"""Sources asked at the same time: an error, silence or a surprise of one is its own."""

from __future__ import annotations

import threading

from b2bpilot.errors import AwsDenied
from b2bpilot.ops.asking import Inquiry


def test_what_a_source_says_is_its_answer() -> None:
    answer = Inquiry(lambda: 7, seconds=10).answer()
    assert (answer.value, answer.error) == (7, None)
    assert answer.map(str) == "7"


def test_a_source_that_is_denied_says_so_with_the_hint() -> None:
    def denied() -> int:
        raise AwsDenied("AWS denied sqs:GetQueueAttributes", hint="let the role")

    answer = Inquiry(denied, seconds=10).answer()
    assert (answer.value, answer.error, answer.hint) == (
        None,
        "AWS denied sqs:GetQueueAttributes",
        "let the role",
    )
    assert answer.map(str) is None


def test_a_surprise_is_an_answer_without_a_value() -> None:
    answer = Inquiry(lambda: {}["State"], seconds=10).answer()
    assert (answer.value, answer.error) == (None, "KeyError: 'State'")


def test_a_source_that_hangs_is_given_up_and_does_not_hold_the_others() -> None:
    released = threading.Event()
    hung = Inquiry(released.wait, seconds=0.05)
    well = Inquiry(lambda: "well", seconds=10)
    assert hung.answer().error == "no answer within 0.05 s"
    assert well.answer().value == "well"
    released.set()
    hung.end(seconds=10)


def test_sources_are_asked_side_by_side() -> None:
    meeting = threading.Barrier(3, timeout=10)
    questions = [Inquiry(meeting.wait, seconds=10) for _ in range(3)]
    assert sorted(str(question.answer().value) for question in questions) == ["0", "1", "2"]
