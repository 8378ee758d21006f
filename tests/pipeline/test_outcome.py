"""What the processor's answer proves."""

from __future__ import annotations

import pytest

from b2bpilot.pipeline.outcome import AnswerProof, proof_in


@pytest.mark.parametrize(
    ("answer", "proof"),
    [
        ({"outcomes": ["stored"]}, AnswerProof.COMPLETED),
        ({"outcomes": ["duplicate", "stored"]}, AnswerProof.COMPLETED),
        ({"outcomes": ["in_progress"]}, AnswerProof.IN_PROGRESS),
        ({"outcomes": ["stored", "in_progress"]}, AnswerProof.IN_PROGRESS),
        ({"outcomes": ["done"]}, AnswerProof.IN_PROGRESS),
        ({"outcomes": []}, AnswerProof.NONE),
        ({"outcomes": "stored"}, AnswerProof.NONE),
        ({}, AnswerProof.NONE),
        (None, AnswerProof.NONE),
        ("stored", AnswerProof.NONE),
    ],
)
def test_only_outcomes_that_mean_a_completed_row_prove_it(answer: object, proof: AnswerProof) -> None:
    assert proof_in(answer) is proof
