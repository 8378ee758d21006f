"""docs/troubleshooting.md has an entry for each alarm of the template, with the command that `explain` gives."""

from __future__ import annotations

import re

import pytest

from b2bpilot.advice import Place
from b2bpilot.ops.verify.alarm_table import ALARMS, AlarmDefinition
from b2bpilot.ops.verify.explanation import shell_line
from bench.house.sources import ROOT

GUIDE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
ENTRIES = dict(
    re.findall(r"^### (\S+)\n(.*?)(?=^##)", GUIDE.partition("## Alarms")[2], flags=re.DOTALL | re.MULTILINE)
)


def test_each_alarm_of_the_template_has_its_entry() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")

    named = re.findall(r"AlarmName: !Sub b2b-pilot-(\S+)-\$\{Environment\}", template)

    assert len(named) == template.count("Type: AWS::CloudWatch::Alarm")
    assert sorted(ENTRIES) == sorted(named)


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_entry_begins_with_what_it_means_and_the_command_of_explain(alarm: AlarmDefinition) -> None:
    meaning, _, rest = ENTRIES[alarm.name].strip().partition("\n\n    ")

    assert meaning
    assert rest.partition("\n")[0] == shell_line(alarm.first, Place(environment="prod"))
