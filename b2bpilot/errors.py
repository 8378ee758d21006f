"""The errors that b2bpilot raises on purpose: what happened to what, and the one command or setting that helps.

`code` is stable and appears in JSON output; `exit_code` is what the command line ends with (docs/configuration.md, "Exit codes").
"""

from __future__ import annotations

from typing import ClassVar

from b2bpilot.advice import Words

NOTHING_CHANGED = "Nothing was changed"
NOTHING_PUBLISHED = "Nothing was published"
NOTHING_MORE_CHANGED = "Nothing more was changed"
"""Of a run that is resumed: it may have changed something before."""


class PilotError(Exception):
    """Something an operator can act on. `str()` is one line without secrets."""

    code: ClassVar[str] = "failed"
    exit_code: int = 1
    """One that was raised when a part of the work was done has that of PartlyFailed."""
    outcome: str | None = None
    """What was done all the same, or that nothing was: the last sentence of the text, written in this one place."""

    def __init__(self, message: str, *, hint: Words | None = None, outcome: str | None = None) -> None:
        super().__init__(message)
        self.why = message
        self.hint = hint
        if outcome is not None:
            self.outcome = outcome

    def __str__(self) -> str:
        return f"{self.why}. {self.outcome}" if self.outcome else self.why


class UsageError(PilotError):
    """The command was given something it cannot use. Nothing was changed."""

    code = "usage"
    exit_code = 2


class SettingsInvalid(UsageError):
    """A setting is missing or cannot be used."""

    code = "settings_invalid"


class EnvironmentUnknown(UsageError):
    """No stack with the environment's name was found."""

    code = "environment_unknown"


class RunUnknown(UsageError):
    """No run of this machine has an id that is, begins or ends so."""

    code = "run_unknown"


class MessageUnreadable(PilotError):
    """A body is not one of our messages; the text says why."""

    code = "message_unreadable"


class MessageInvalid(PilotError):
    """A message can be read, but what it says cannot be stored as a submission."""

    code = "message_invalid"


class MessageDiscarded(PilotError):
    """A person discarded the message, and the only other copy of this delivery may have been deleted when AWS took it."""

    code = "message_discarded"


class MessageTooLarge(UsageError):
    """A message exceeds what SNS takes: 262,144 bytes, body and attributes together.

    docs/aws-facts.md#sns-size
    """

    code = "message_too_large"


class NotFound(PilotError):
    """What was asked for does not exist."""

    code = "not_found"


class NobodyAnswered(PilotError):
    """Everybody who might know it failed to answer: nothing is known, not even that it does not exist."""

    code = "nobody_answered"


class TimedOut(PilotError):
    """What was waited for did not become true in time."""

    code = "timed_out"


class PartlyFailed(PilotError):
    """Some of the work is done and some is not; the text says how many of each."""

    code = "partly_failed"
    exit_code = 4


class Refused(PilotError):
    """A change was not confirmed, or is not allowed here.

    The text ends with `outcome`.
    """

    code = "refused"
    exit_code = 5
    outcome = NOTHING_CHANGED


class NotConfirmed(Refused):
    """The answer was not yes, or nobody could be asked."""


class NotOurs(Refused):
    """A dead letter is another subscriber's, or nobody can tell whose: it is left as it is."""

    code = "not_ours"


class AwsError(PilotError):
    """A call to AWS failed.

    `is_unknown` where AWS may have done it all the same; else it certainly did not. The seams of `aws` set it, from the error's class, the HTTP status and what the action does; nobody reads the text.
    """

    code = "aws_failed"

    def __init__(self, message: str, *, hint: Words | None = None, is_unknown: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_unknown = is_unknown


class CredentialsMissing(AwsError):
    """No AWS credentials were found, or they are expired or wrong."""

    code = "credentials_missing"
    exit_code = 2


class AwsUnreachable(AwsError):
    """The AWS endpoint did not answer."""

    code = "aws_unreachable"


class AwsDenied(AwsError):
    """The caller lacks a permission, such as `sns:Publish`.

    `action` where it is known.
    """

    code = "aws_denied"

    def __init__(self, message: str, *, hint: Words | None = None, action: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.action = action


class AwsThrottled(AwsError):
    """AWS asked to slow down. Nothing was done; the same call may succeed later."""

    code = "aws_throttled"


class PublishFailed(AwsError):
    """SNS refused a message, or nobody can tell whether it took it."""

    code = "publish_failed"


class DatabaseError(PilotError):
    """A statement failed."""

    code = "database_failed"


class DatabaseUnreachable(DatabaseError):
    """No connection to PostgreSQL, or it was lost."""

    code = "database_unreachable"


class DatabaseRefused(DatabaseUnreachable):
    """The server answered and let nobody in: a wrong role or password, no such database, too many connections."""

    code = "database_refused"


class CredentialsRefused(DatabaseRefused):
    """The server did not let this role in, or not with this password: either may have been rotated."""


class RowsHidden(DatabaseError):
    """Row security may keep rows from the role that asks: what it does not see is unknown, not absent."""

    code = "rows_hidden"


class SchemaOutdated(DatabaseError):
    """The table, a column or an index that the code needs is missing."""

    code = "schema_outdated"


class MigrationFailed(DatabaseError):
    """A migration stopped; the text says at which statement."""

    code = "migration_failed"


class MigrationDrift(MigrationFailed):
    """The migrations that a database records are not the ones of this version. Nothing was run."""

    code = "migration_drift"


class ReplyError(PilotError):
    """Twilio was asked to send a reply and did not confirm it."""

    code = "reply_failed"


class ReplyNotSent(ReplyError):
    """The reply was certainly not sent, and trying again may help (429, no connection, wrong token)."""

    code = "reply_not_sent"


class ReplyRefused(ReplyError):
    """Twilio will never send this reply: the number opted out, or is none, for instance."""

    code = "reply_refused"


class ReplyUnknown(ReplyError):
    """Nobody can tell whether the reply was sent; sending again could send it twice."""

    code = "reply_unknown"


class LocalEnvironmentError(PilotError):
    """The local environment could not be started, reached or stopped."""

    code = "local_environment"
