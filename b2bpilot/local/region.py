"""One region of the local environment: its emulator, its stack, and what runs its functions, here or in a process apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from b2bpilot.local.clients import PAIR_REGION, REGION, LocalAws
from b2bpilot.local.emulator_process import EmulatorProcess, free_port
from b2bpilot.local.functions import Served, serving
from b2bpilot.local.lock import HomeLock
from b2bpilot.local.region_process import RegionOrder, RegionProcess
from b2bpilot.local.runtime.server import RuntimeServer
from b2bpilot.local.stack import Stack, deploy, webhook_url
from b2bpilot.local.state import EVENTS, PAIR_FOLDER, Identity, LocalSide


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRegion:
    """`server` takes a port at once: what is sent there waits for whoever runs the functions. `pair` is the other region,
    if there is one."""

    name: str
    pair: str = ""
    folder: Path
    server: RuntimeServer = field(repr=False)
    emulator: EmulatorProcess
    aws: LocalAws

    @property
    def webhook_url(self) -> str:
        return webhook_url(self.aws.endpoint_url)

    @property
    def side(self) -> LocalSide:
        return LocalSide(
            region=self.name,
            endpoint_url=self.aws.endpoint_url,
            webhook_url=self.webhook_url,
            emulator_pid=self.emulator.pid,
            folder=str(self.folder),
        )

    def deploy(self, template: Path, common: Mapping[str, str]) -> Stack:
        """Create or update its stack with the parameters that both regions have, and its own."""
        own = {"PublicWebhookUrl": self.webhook_url, **({"PairRegion": self.pair} if self.pair else {})}
        return deploy(self.aws, template, own | dict(common))

    def serve(
        self, cleanup: ExitStack, stack: Stack, served: Served, lock: HomeLock, *, time_scale: float
    ) -> Callable[[], None]:
        """Run the functions in threads of this process, where a breakpoint works; those of a pair in a process of their own,
        which can be killed. Returns what waits until the webhook answers."""
        if not self.pair:
            events = self.folder / EVENTS
            cleanup.enter_context(
                serving(self.server, self.aws, stack, events, served, time_scale=time_scale)
            )
            return lambda: None
        order = self._order(stack, served, time_scale=time_scale)
        process = RegionProcess(order, self.server, emulator_pid=self.emulator.pid, lock=lock.fileno())
        cleanup.callback(process.stop)
        cleanup.callback(self.emulator.resume)
        return process.wait_until_ready

    def _order(self, stack: Stack, served: Served, *, time_scale: float) -> RegionOrder:
        return RegionOrder(
            region=self.name,
            endpoint_url=self.aws.endpoint_url,
            access_key_id=self.aws.keys.access_key_id,
            secret_access_key=self.aws.keys.secret_access_key,
            outputs=stack.outputs,
            events=str(self.folder / EVENTS),
            socket=self.server.fileno(),
            runtime_key=self.server.key,
            handlers=sorted(served.handlers),
            variables=served.variables,
            folders={name: str(folder.path) for name, folder in served.folders.items()},
            replies=served.replies,
            time_scale=time_scale,
        )


def begin_regions(
    cleanup: ExitStack, home: Path, identity: Identity, lock: HomeLock, *, is_pair: bool, time_scale: float
) -> list[LocalRegion]:
    """Start an emulator for each region, without waiting for it; the primary's is the first."""
    if not is_pair:
        return [_begun(cleanup, home, identity, lock, RuntimeServer(), name=REGION, time_scale=time_scale)]
    servers = [RuntimeServer(port=free_port(0)) for _ in range(2)]
    primary = _begun(cleanup, home, identity, lock, servers[0], name=REGION, time_scale=time_scale)
    other = replace(identity, port=identity.pair_port)
    second = _begun(
        cleanup, home / PAIR_FOLDER, other, lock, servers[1], name=PAIR_REGION, time_scale=time_scale
    )
    return [replace(primary, pair=second.name), replace(second, pair=primary.name)]


def _begun(
    cleanup: ExitStack,
    folder: Path,
    identity: Identity,
    lock: HomeLock,
    server: RuntimeServer,
    *,
    name: str,
    time_scale: float,
) -> LocalRegion:
    folder.mkdir(mode=0o700, exist_ok=True)
    cleanup.callback(server.server_close)
    emulator = EmulatorProcess(
        folder / "emulator",
        identity=identity,
        region=name,
        runtime_url=server.url,
        runtime_key=server.key,
        events=folder / EVENTS,
        time_scale=time_scale,
        lock=lock.fileno(),
    )
    cleanup.callback(emulator.stop)
    aws = LocalAws(emulator.endpoint_url, identity.keys, name)
    return LocalRegion(name=name, folder=folder, server=server, emulator=emulator, aws=aws)
