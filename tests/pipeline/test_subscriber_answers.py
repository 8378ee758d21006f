"""What the answer of another subscriber's function proves of the message that it was given."""

from __future__ import annotations

import pytest

from b2bpilot.pipeline.outcome import AnswerProof, subscriber_proof_in

FAILED = [{"itemIdentifier": "1"}]


@pytest.mark.parametrize(
    ("answer", "proof"),
    [
        ({"outcomes": ["stored"]}, AnswerProof.COMPLETED),
        ({"outcomes": ["duplicate"], "batchItemFailures": []}, AnswerProof.COMPLETED),
        (None, AnswerProof.RETURNED),
        ("done", AnswerProof.RETURNED),
        ([], AnswerProof.RETURNED),
        ({"statusCode": 200}, AnswerProof.RETURNED),
        ({"batchItemFailures": []}, AnswerProof.RETURNED),
        ({"batchItemFailures": FAILED}, AnswerProof.REFUSED),
        ({"outcomes": ["stored"], "batchItemFailures": FAILED}, AnswerProof.REFUSED),
        ({"outcomes": ["in_progress"]}, AnswerProof.IN_PROGRESS),
        ({"outcomes": ["discarded"]}, AnswerProof.DISCARDED),
        ({"outcomes": ["stored", "failed"]}, AnswerProof.UNCLEAR),
        ({"outcomes": [{"odd": 1}]}, AnswerProof.UNCLEAR),
        ({"outcomes": []}, AnswerProof.UNCLEAR),
        ({"outcomes": None}, AnswerProof.UNCLEAR),
        ({"outcomes": "stored"}, AnswerProof.UNCLEAR),
    ],
)
def test_only_what_says_that_it_is_done_or_nothing_at_all_is_a_success(
    answer: object, proof: AnswerProof
) -> None:
    assert subscriber_proof_in(answer) is proof
