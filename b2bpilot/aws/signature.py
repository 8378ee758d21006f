"""A signature that AWS refused: because of this machine's clock, or because of the keys."""

from __future__ import annotations

from datetime import timedelta

from botocore.exceptions import ClientError

from b2bpilot.aws.clock import answered_at
from b2bpilot.errors import CredentialsMissing
from b2bpilot.pipeline.clock import machine_time

CODES = frozenset({"AuthFailure", "InvalidSignature", "InvalidSignatureException", "SignatureDoesNotMatch"})
OF_THE_CLOCK = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
LATE_OR_EARLY = ("Signature expired", "Signature not yet current")
"""How AWS's text begins where the code alone does not tell that the time was wrong."""
TOLERANCE = timedelta(minutes=4)
"""AWS takes a signature for five minutes, some services for fifteen; a clock that is wrong by less is not the reason."""
UNITS = ((1440, "days"), (60, "hours"), (1, "minutes"))
CLOCK_HINT = "set this machine's clock, for example with `timedatectl set-ntp true`"
KEYS_HINT = (
    "compare the secret key with its access key id; no comment may follow either: `aws configure` writes both"
)


def refusal(exc: ClientError, code: str, message: str) -> CredentialsMissing | None:
    """Return what to say of a refused signature; None where AWS refused something else."""
    if code not in CODES | OF_THE_CLOCK:
        return None
    skew = _behind_aws(exc)
    if skew is not None and abs(skew) >= TOLERANCE:
        side = "behind" if skew > timedelta(0) else "ahead of"
        told = f"this machine's clock is {_in_words(abs(skew))} {side} AWS's"
        return CredentialsMissing(f"AWS refused the signature: {told} ({code}: {message})", hint=CLOCK_HINT)
    if code in OF_THE_CLOCK or message.startswith(LATE_OR_EARLY):
        agrees = "" if skew is None else ", though this machine's clock agrees with AWS's now"
        return CredentialsMissing(
            f"AWS refused the signature for its time{agrees} ({code}: {message})",
            hint=CLOCK_HINT if skew is None else "run it again: the request was under way for too long",
        )
    return CredentialsMissing(f"AWS refused the signature ({code}): {message}", hint=KEYS_HINT)


def _behind_aws(exc: ClientError) -> timedelta | None:
    answered = answered_at(exc.response)
    return None if answered is None else answered - machine_time()


def _in_words(skew: timedelta) -> str:
    minutes = round(skew / timedelta(minutes=1))
    size, unit = next((size, unit) for size, unit in UNITS if minutes >= 2 * size)
    return f"{minutes // size:,} {unit}"
