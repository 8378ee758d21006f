"""`b2bpilot verify`."""

from __future__ import annotations

import typer

from b2bpilot.cli.context import pilot_of
from b2bpilot.cli.output import Row


def verify(ctx: typer.Context) -> None:
    """Check that an environment is deployed right and healthy.

    Example: b2bpilot verify -e prod
    """
    from b2bpilot.ops.verify.catalogue import CHECKS
    from b2bpilot.ops.verify.check import Status
    from b2bpilot.ops.verify.runner import Runner
    from b2bpilot.ops.verify.world import World

    pilot = pilot_of(ctx)
    world = World(name=pilot.environment_name, access=pilot.access, now=pilot.now())
    results = list(Runner(CHECKS).run(world))
    pilot.output.rows(
        "checks",
        (
            Row(
                fields={"code": result.check.code, "status": result.status.value, "seen": result.seen},
                columns={"code": result.check.code, "": result.status.value, "seen": result.seen},
            )
            for result in results
        ),
    )
    if any(result.status is Status.FAILED for result in results):
        raise typer.Exit(1)
