"""Settings and their places, as they are shown."""

from __future__ import annotations

from b2bpilot.cli.config.origins import SettingOrigin, SettingsFile, files, origins
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.output import Row
from b2bpilot.cli.text.privacy import without_secrets


def show(pilot: Pilot) -> None:
    pilot.output.rows("settings", map(_setting, origins(pilot)))
    pilot.output.lines([""])
    pilot.output.rows("files", map(_file, files(pilot)))


def _setting(one: SettingOrigin) -> Row:
    value = None if one.value is None else without_secrets(one.value)
    others = [{"value": without_secrets(each.value), "from": each.place} for each in one.others]
    problem = without_secrets(one.problem) if one.problem else None
    beaten = ", ".join(f"{each['from']} ({each['value']})" for each in others)
    over = f"wins over {beaten}" if beaten else ""
    return Row(
        fields={"name": one.name, "value": value, "from": one.place, "others": others, "problem": problem},
        columns={
            "setting": one.name,
            "value": value or "-",
            "from": one.place or "default",
            "remark": "; ".join(part for part in (problem, over) if part) or "-",
        },
    )


def _file(one: SettingsFile) -> Row:
    state = "not there" if not one.is_there else "cannot be used" if one.problem else "read"
    return Row(
        fields={"path": str(one.path), "exists": one.is_there, "problem": one.problem},
        columns={"file": str(one.path), "state": state, "remark": one.problem or "-"},
    )
