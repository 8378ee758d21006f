"""Who is subscribed to the topic, asked once a command: the evidence by which a dead letter's owner is told (decision 12)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace

from b2bpilot.advice import our_command
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.subscriptions import Listed, Subscription, listed, subscription_of
from b2bpilot.errors import AwsError, Refused, UsageError
from b2bpilot.ops.recipient import EXPRESS, Recipient
from b2bpilot.pipeline.addressee import is_subscription
from b2bpilot.pipeline.dead_letter import DeadLetter, with_owner
from b2bpilot.pipeline.owner import OURS, Owner, Ownership

TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=5, attempts=3)


class LiveSubscribers:
    """Asks SNS when it is told to `begin`, or by the first dead letter that needs it. Threads may use it side by side.

    `recipient` is whose dead letters count as ours: its own subscription is known, whatever SNS answers. Satisfies pipeline.owner.Subscribers.
    """

    def __init__(self, access: AwsAccess, recipient: Recipient) -> None:
        self._access, self._recipient = access, recipient
        self._adopted: frozenset[str] = frozenset()
        self._listing: Future[list[Listed]] | None = None
        self._known: dict[str, Owner] = {}
        self._nameless: Owner | None = None
        self._lock = threading.RLock()

    def begin(self) -> None:
        """Ask who is subscribed, beside whatever else the command does meanwhile."""
        with self._lock:
            if self._listing is None:
                self._listing = _later(
                    lambda: listed(self._access, self._recipient.topic_arn, timeouts=TIMEOUTS)
                )

    def judge(self, dead_letter: DeadLetter) -> DeadLetter:
        """Return the dead letter with whose it is, and for whom that was asked."""
        judged = with_owner(dead_letter, self)
        if self._recipient.is_processor:
            return judged
        return replace(judged, owner=replace(judged.owner, subscriber=self._recipient.name))

    def adopt(self, arns: Iterable[str]) -> frozenset[str]:
        """From now on, take dead letters of these gone subscriptions for the recipient's. Return them.

        Raises UsageError for what is no subscription, Refused for one that is not known to be gone. Blanks around one are not
        meant.
        """
        wanted = [arn.strip() for arn in arns]
        for arn in wanted:
            self._require_gone(arn)
        with self._lock:
            self._adopted |= frozenset(wanted)
            self._known.clear()
        return self._adopted

    @property
    def adopted(self) -> frozenset[str]:
        return self._adopted

    def owner_of_subscription(self, arn: str) -> Owner:
        with self._lock:
            if arn not in self._known:
                found = self._asked(arn)
                if found.ownership is Ownership.GONE and arn in self._adopted:
                    found = Owner(ownership=Ownership.OURS, name=arn, subscription_arn=arn, is_adopted=True)
                self._known[arn] = found
            return self._known[arn]

    def is_own(self, arn: str) -> bool:
        return self._recipient.owns(arn)

    def is_marked_for(self, endpoint: str | None) -> bool:
        return self._recipient.is_processor if endpoint is None else self.is_own(endpoint)

    def owner_of_nameless(self) -> Owner:
        """A live subscriber that sends its dead letters here may do so raw: then nothing tells them from ours."""
        with self._lock:
            if self._nameless is None:
                self._nameless = self._asked_for_nameless()
            return self._nameless

    def sharing(self) -> list[Subscription]:
        """Return the live subscriptions of others that send their dead letters into this environment's queue.

        Raises AwsError when they cannot be listed, or one cannot be read.
        """
        found = []
        for one in self.listed():
            if one.arn and self._owner(one.arn, one.protocol, one.endpoint).ownership is Ownership.OTHER:
                subscription = subscription_of(self._access, one.arn, timeouts=TIMEOUTS)
                if subscription and subscription.redrive_target_arn == self._recipient.dead_letter_queue_arn:
                    found.append(subscription)
        return found

    def of(self, recipient: Recipient) -> LiveSubscribers:
        """Return the same for another whose dead letters count as ours: SNS is asked once for all."""
        one = LiveSubscribers(self._access, recipient)
        self.begin()
        one._listing = self._listing
        return one

    def listed(self) -> list[Listed]:
        """Return who is subscribed, as it was when it was first asked. Raises AwsError."""
        self.begin()
        assert self._listing is not None  # noqa: S101  # nosec B101  # begin() made it
        return self._listing.result()

    def _asked(self, arn: str) -> Owner:
        if arn == self._recipient.subscription_arn:
            return OURS
        if arn == self._recipient.express_subscription_arn:
            return replace(OURS, lane=EXPRESS)
        try:
            for one in self.listed():
                if one.arn == arn:
                    return self._owner(arn, one.protocol, one.endpoint)
            is_known_absent = arn.rpartition(":")[0] == self._recipient.topic_arn
        except AwsError:
            is_known_absent = False
        try:
            found = subscription_of(self._access, arn, timeouts=TIMEOUTS)
        except AwsError as exc:
            return _gone(arn) if is_known_absent else _unknown(f"{arn}: {exc}", arn)
        return _gone(arn) if found is None else self._owner(arn, found.protocol, found.endpoint)

    def _owner(self, arn: str, protocol: str, endpoint: str) -> Owner:
        if self._recipient.owns(endpoint):
            return OURS
        return Owner(ownership=Ownership.OTHER, name=endpoint_name(protocol, endpoint), subscription_arn=arn)

    def _asked_for_nameless(self) -> Owner:
        try:
            others = self.sharing()
        except AwsError as exc:
            return _unknown(f"it names no subscription, and who else uses this queue cannot be asked: {exc}")
        if not others:
            return OURS
        names = ", ".join(endpoint_name(one.protocol, one.endpoint) for one in others)
        return _unknown(f"it names no subscription, and {names} sends dead letters here, too")

    def _require_gone(self, arn: str) -> None:
        if not is_subscription(arn):
            raise UsageError(
                f"--adopt: {arn!r} is not a subscription's ARN",
                hint=our_command("dlq", "list") + " names the subscriptions that are gone",
            )
        owner = self.owner_of_subscription(arn)
        match owner.ownership:
            case Ownership.OTHER:
                raise Refused(
                    f"--adopt: {arn} is alive and delivers to {owner.name}",
                    hint="its dead letters are for its owner to send again",
                )
            case Ownership.UNKNOWN:
                raise Refused(f"--adopt: it is not known whether {arn} is gone. {owner.name}")
            case Ownership.OURS if not owner.is_adopted:
                raise Refused(
                    f"--adopt: {arn} is {self._recipient.asker}'s own subscription, and not gone",
                    hint=f"leave it out: its dead letters are {self._recipient.whose}",
                )
            case Ownership.OURS | Ownership.GONE:
                return


def endpoint_name(protocol: str, endpoint: str) -> str:
    """Return who a subscriber is, without what an address or a number says of a person, or a URL of a secret."""
    kinds = {"lambda": "function", "sqs": "queue"}
    if protocol in kinds and endpoint.startswith("arn:"):
        return f"{kinds[protocol]} {endpoint.split(':', 6)[6] if protocol == 'lambda' else endpoint.rpartition(':')[2]}"
    if endpoint.startswith("arn:"):
        return endpoint
    return f"a subscriber by {protocol}"


def _gone(arn: str) -> Owner:
    return Owner(ownership=Ownership.GONE, name=arn, subscription_arn=arn)


def _unknown(why: str, arn: str | None = None) -> Owner:
    return Owner(ownership=Ownership.UNKNOWN, name=why, subscription_arn=arn)


def _later(ask: Callable[[], list[Listed]]) -> Future[list[Listed]]:
    """Ask in a thread that ends with the process: nobody may need the answer."""
    answer: Future[list[Listed]] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as exc:  # noqa: BLE001  # whoever needs the answer gets it
            answer.set_exception(exc)

    threading.Thread(target=run, daemon=True, name="subscribers").start()
    return answer
