"""The emulator reads a template with libyaml as it reads it without."""

from __future__ import annotations

import pytest
from ministack.services.cloudformation import engine

from b2bpilot import resources
from b2bpilot.local.emulator import read_templates_with_libyaml
from b2bpilot.local.stack import for_emulator


def test_libyaml_reads_the_template_as_the_parser_in_python_does(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = engine.CfnLoader
    monkeypatch.setattr(engine, "CfnLoader", theirs)
    text = for_emulator(resources.template().read_text())
    read = engine._parse_template(text)

    read_templates_with_libyaml()

    assert engine.CfnLoader is not theirs
    assert engine._parse_template(text) == read
