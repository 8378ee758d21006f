"""Episodes of faults: what goes wrong, for how long, drawn by the seed."""

from __future__ import annotations

import random
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg

from tests.faults import server
from tests.faults.deployment import Deployment
from tests.faults.proxies.trouble import NONE, CallFault, Control, Trouble

SHORTEST_SECONDS, LONGEST_SECONDS = 3.0, 9.0
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.3, 2.5
SEVERAL_AT_ONCE = 0.2


FUNCTIONS_AWS = Trouble(
    calls={
        CallFault.DROPPED_BEFORE: 0.03,
        CallFault.DROPPED_AFTER: 0.05,
        CallFault.ERROR_BEFORE: 0.03,
        CallFault.ERROR_AFTER: 0.05,
        CallFault.THROTTLED: 0.03,
        CallFault.DUPLICATED: 0.05,
        CallFault.TRUNCATED: 0.03,
        CallFault.DENIED: 0.01,
    }
)
COMMANDS_AWS = Trouble(
    calls={
        CallFault.DROPPED_BEFORE: 0.02,
        CallFault.DROPPED_AFTER: 0.04,
        CallFault.ERROR_BEFORE: 0.02,
        CallFault.ERROR_AFTER: 0.04,
        CallFault.UNAVAILABLE: 0.01,
        CallFault.THROTTLED: 0.04,
        CallFault.DUPLICATED: 0.02,
        CallFault.TRUNCATED: 0.03,
        CallFault.PARTIAL: 0.06,
        CallFault.DENIED: 0.01,
    }
)
TWILIO = {
    CallFault.DROPPED_BEFORE: 0.08,
    CallFault.DROPPED_AFTER: 0.08,
    CallFault.ERROR_BEFORE: 0.05,
    CallFault.ERROR_AFTER: 0.05,
    CallFault.THROTTLED: 0.1,
    CallFault.TRUNCATED: 0.08,
    CallFault.DENIED: 0.03,
}
TWILIO_LATE_SECONDS = (0.0, 0.0, 0.2, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an episode has to work with."""

    deployment: Deployment
    chance: random.Random
    seconds: float
    healing: threading.Event

    def wait(self, seconds: float | None = None) -> None:
        self.healing.wait(self.seconds if seconds is None else seconds)


Episode = Callable[[Scene], None]


def _troubled(control: Control, trouble: Trouble, scene: Scene) -> None:
    control.trouble = trouble
    try:
        scene.wait()
    finally:
        control.trouble = NONE


def backends_terminated(scene: Scene) -> None:
    server.terminate_backends(scene.deployment)


def server_process_killed(scene: Scene) -> None:
    server.kill_backend(scene.deployment)


def server_restarted(scene: Scene) -> None:
    server.restart(scene.deployment)


def functions_database_black_hole(scene: Scene) -> None:
    _troubled(scene.deployment.proxies.functions_database.control, Trouble(hold=True), scene)


def functions_database_refused(scene: Scene) -> None:
    proxy = scene.deployment.proxies.functions_database
    proxy.cut_all()
    _troubled(proxy.control, Trouble(refuse=True), scene)


def functions_database_cut(scene: Scene) -> None:
    _troubled(scene.deployment.proxies.functions_database.control, Trouble(cut=0.03), scene)


def functions_database_cut_once(scene: Scene) -> None:
    scene.deployment.proxies.functions_database.cut_all()


def database_read_only(scene: Scene) -> None:
    with server.read_only(scene.deployment):
        scene.wait()


def table_locked(scene: Scene) -> None:
    server.lock_table(scene.deployment, scene.seconds / 2, scene.healing)


def constraint(scene: Scene) -> None:
    with server.short_bodies(scene.deployment):
        scene.wait(scene.seconds * 1.5)


def functions_aws(scene: Scene) -> None:
    _troubled(scene.deployment.proxies.functions_aws.control, FUNCTIONS_AWS, scene)


def functions_aws_black_hole(scene: Scene) -> None:
    _troubled(scene.deployment.proxies.functions_aws.control, Trouble(hold=True), scene)


def twilio(scene: Scene) -> None:
    late = scene.chance.choice(TWILIO_LATE_SECONDS)
    trouble = Trouble(calls=TWILIO, delay_seconds=late)
    _troubled(scene.deployment.proxies.functions_twilio.control, trouble, scene)


def commands_aws(scene: Scene) -> None:
    _troubled(scene.deployment.proxies.commands_aws.control, COMMANDS_AWS, scene)


def commands_aws_black_hole(scene: Scene) -> None:
    _troubled(scene.deployment.proxies.commands_aws.control, Trouble(hold=True), scene)


def commands_twilio(scene: Scene) -> None:
    _troubled(scene.deployment.proxies.commands_twilio.control, Trouble(calls=TWILIO), scene)


def commands_database(scene: Scene) -> None:
    hold = scene.chance.random() < 0.3
    _troubled(scene.deployment.proxies.commands_database.control, Trouble(cut=0.05, hold=hold), scene)


EPISODES: Mapping[str, Episode] = {
    "backends terminated": backends_terminated,
    "a server process killed -9": server_process_killed,
    "the server restarted": server_restarted,
    "database: black hole for the functions": functions_database_black_hole,
    "database: refuses the functions": functions_database_refused,
    "database: connections of the functions cut now and then": functions_database_cut,
    "database: all connections of the functions cut": functions_database_cut_once,
    "database: read-only": database_read_only,
    "database: the table locked": table_locked,
    "database: a constraint that messages break": constraint,
    "AWS: calls of the functions fail": functions_aws,
    "AWS: black hole for the functions": functions_aws_black_hole,
    "Twilio: late, silent, failing": twilio,
    "AWS: calls of the commands fail": commands_aws,
    "AWS: black hole for the commands": commands_aws_black_hole,
    "Twilio: calls of the commands fail": commands_twilio,
    "database: connections of the commands cut or held": commands_database,
}


class Faults:
    """Draws episodes one after another, at times several at once."""

    def __init__(self, deployment: Deployment, seed: int, episodes: Mapping[str, Episode] = EPISODES) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._deployment = deployment
        self._chance = random.Random(f"{seed} faults")
        self._episodes = episodes

    def run(self, healing: threading.Event) -> None:
        """Return when the run heals and the last episode has taken back what it did."""
        while not healing.is_set():
            several = self._chance.random() < SEVERAL_AT_ONCE
            names = self._chance.sample(sorted(self._episodes), 3 if several else 1)
            self._play(names, healing)
            healing.wait(self._chance.uniform(SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))

    def _play(self, names: list[str], healing: threading.Event) -> None:
        threads = [threading.Thread(target=self._one, args=(name, self._scene(healing))) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _scene(self, healing: threading.Event) -> Scene:
        return Scene(
            deployment=self._deployment,
            chance=random.Random(self._chance.random()),
            seconds=self._chance.uniform(SHORTEST_SECONDS, LONGEST_SECONDS),
            healing=healing,
        )

    def _one(self, name: str, scene: Scene) -> None:
        """An episode that cannot be made is said in the summary; it is no finding about the pipeline."""
        self.counts[name] += 1
        try:
            self._episodes[name](scene)
        except (psycopg.Error, OSError, subprocess.SubprocessError) as exc:
            self.failures.append(f"{name}: {exc}")
