"""What the processor's answer proves."""

from __future__ import annotations

import pytest

from b2bpilot.pipeline.outcome import Proof, proof_in


@pytest.mark.parametrize(
    ("answer", "proof"),
    [
        ({"outcomes": ["stored"]}, Proof.COMPLETED),
        ({"outcomes": ["duplicate", "stored"]}, Proof.COMPLETED),
        ({"outcomes": ["in_progress"]}, Proof.IN_PROGRESS),
        ({"outcomes": ["stored", "in_progress"]}, Proof.IN_PROGRESS),
        ({"outcomes": ["done"]}, Proof.IN_PROGRESS),
        ({"outcomes": []}, Proof.NONE),
        ({"outcomes": "stored"}, Proof.NONE),
        ({}, Proof.NONE),
        (None, Proof.NONE),
        ("stored", Proof.NONE),
    ],
)
def test_only_outcomes_that_mean_a_completed_row_prove_it(answer: object, proof: Proof) -> None:
    assert proof_in(answer) is proof
