"""The symptoms of the users' guide, and what can be behind each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from b2bpilot.ops.diagnose import evidence


class Symptom(StrEnum):
    """What an operator sees. What things cost is asked elsewhere: nothing is wrong with them."""

    NOT_PROCESSED = "not-processed"
    DUPLICATES = "duplicates"
    ERRORS = "errors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What may be the cause; each of the checks, by its code, would fail then."""

    text: str
    codes: tuple[str, ...]


INDEX = ("B2B078", "B2B079", "B2B080", "B2B081")
MIGRATIONS = ("B2B082", "B2B083")
TABLE = ("B2B150", "B2B151", "B2B152", "B2B153")

MEANING: Mapping[Symptom, str] = {
    Symptom.NOT_PROCESSED: "messages come in, or should, and no rows appear",
    Symptom.DUPLICATES: "a message is stored or answered more than once",
    Symptom.ERRORS: "functions fail, requests are refused, dead letters come",
}

HYPOTHESES: Mapping[Symptom, tuple[Hypothesis, ...]] = {
    Symptom.NOT_PROCESSED: (
        Hypothesis(
            text="Twilio does not send them here",
            codes=("B2B090", "B2B091", "B2B092", "B2B094", "B2B095"),
        ),
        Hypothesis(
            text="the webhook does not take them, or cannot publish them",
            codes=(
                *("B2B020", "B2B021", "B2B022", "B2B023", "B2B024", "B2B025", "B2B026", "B2B027", "B2B029"),
                evidence.REJECTED.code,
            ),
        ),
        Hypothesis(
            text="SNS does not hand them to the processor",
            codes=("B2B030", "B2B033", "B2B034", "B2B035", "B2B036", "B2B038", "B2B039", "B2B041"),
        ),
        Hypothesis(
            text="Lambda does not run the processor, or not now",
            codes=("B2B040", "B2B046", "B2B049", "B2B058", "B2B059"),
        ),
        Hypothesis(
            text="the processor runs, and cannot store them",
            codes=(
                *("B2B044", "B2B045", "B2B051", "B2B016", "B2B017", "B2B018", "B2B075", "B2B077"),
                *INDEX,
                *MIGRATIONS,
                *TABLE,
                "B2B057",
            ),
        ),
        Hypothesis(
            text="they failed, and wait for a person",
            codes=("B2B055", "B2B065", "B2B084", "B2B100", evidence.DEAD_LETTERS.code),
        ),
        Hypothesis(
            text="their runs died, and nobody takes them up again",
            codes=("B2B070", "B2B071", "B2B072", "B2B073", "B2B074", "B2B085", "B2B101"),
        ),
    ),
    Symptom.DUPLICATES: (
        Hypothesis(text="the table lets a second row in", codes=("B2B077", *INDEX, *MIGRATIONS)),
        Hypothesis(text="a Twilio message has more than one row", codes=(evidence.DOUBLED_ROWS.code,)),
        Hypothesis(text="the processor is given everything twice", codes=("B2B034", "B2B050")),
        Hypothesis(
            text="the rows of the old system have no id, and are published as new messages",
            codes=(evidence.UNIDENTIFIED.code,),
        ),
        Hypothesis(text="a reply went out, and nobody knows it", codes=("B2B102",)),
        Hypothesis(text="deliveries that came again were processed again", codes=(evidence.SKIPPED.code,)),
    ),
    Symptom.ERRORS: (
        Hypothesis(
            text="somebody posts to the webhook who is not Twilio, or with another URL or token",
            codes=("B2B023", "B2B024", evidence.REJECTED.code),
        ),
        Hypothesis(text="the webhook cannot publish", codes=("B2B020", "B2B025", "B2B026", "B2B029")),
        Hypothesis(
            text="the database refuses or lacks something",
            codes=("B2B016", "B2B017", "B2B018", "B2B075", "B2B077", *INDEX, *MIGRATIONS, *TABLE),
        ),
        Hypothesis(
            text="messages fail in the processor",
            codes=("B2B057", evidence.DEAD_LETTERS.code, evidence.ROWS.code),
        ),
        Hypothesis(
            text="AWS stops the processor: time, memory, concurrency, permissions",
            codes=("B2B044", "B2B045", "B2B046", "B2B047", "B2B053", "B2B058", "B2B101"),
        ),
        Hypothesis(
            text="what fails cannot be kept",
            codes=("B2B042", "B2B043", "B2B056", "B2B061", "B2B062", "B2B064", "B2B068"),
        ),
    ),
}
