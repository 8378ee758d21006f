"""What docs/ tells to type into other tools, typed: the AWS CLI and psql at the local environment, Artillery's signature."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from b2bpilot.twilio.signature import SigningSecrets, is_signed_body
from tests.local.conftest import ROOT, Machine
from tests.programs import needs

TOKEN = "f" * 32
NOWHERE = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), "/nowhere")


def commands(document: str, heading: str) -> list[str]:
    """The blocks of shell below a heading."""
    section = (ROOT / "docs" / document).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1]
    return re.findall(r"```sh\n(.*?)```", section.split("\n## ")[0], re.DOTALL)


def typed(environment: Machine, text: str) -> str:
    """What a shell prints that has `b2bpilot` on its PATH, in a checkout."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"B2BPILOT_HOME": str(environment.home), "HOME": str(environment.home), "PATH": path}
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | NOWHERE | settings,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs("bash", "aws", "psql")
def test_the_aws_cli_and_psql_take_what_local_status_prints(environment: Machine) -> None:
    (block,) = commands("local.md", "With other tools")
    printed = typed(environment, block)
    topic = environment.stack_output("TopicArn")
    decoder = json.JSONDecoder()
    topics, end = decoder.raw_decode(printed)
    subscriptions, _ = decoder.raw_decode(printed[end:].lstrip())
    assert {"TopicArn": topic} in topics["Topics"]
    (subscription,) = [one for one in subscriptions["Subscriptions"] if one["TopicArn"] == topic]
    assert subscription["Endpoint"].endswith(":function:b2b-pilot-background-processor-local")


@needs("bash", "aws", "psql")
def test_artillery_is_given_this_environments_webhook_and_token(environment: Machine) -> None:
    sending, counting = commands("load.md", "With Artillery")
    shown = 'printf "%s\\n" "$WEBHOOK_URL" "$TWILIO_AUTH_TOKEN"'
    text = re.sub(r"(?m)^ARTILLERY.*$", lambda _: shown, sending) + counting
    url, token, *counted = typed(environment, text).splitlines()
    assert (url, token) == (environment.state.webhook_url, environment.state.twilio_auth_token)
    assert "DELETE 0" in counted


def test_artillerys_scenario_is_100_clients_with_10_signed_messages_each() -> None:
    folder = ROOT / "docs/artillery"
    document = yaml.safe_load((folder / "load.yml").read_text(encoding="utf-8"))
    (phase,), (scenario,) = document["config"]["phases"], document["scenarios"]
    (loop,) = scenario["flow"]
    assert (phase["arrivalCount"], loop["count"]) == (100, 10)
    assert (folder / document["config"]["processor"]).exists()
    assert loop["loop"][0]["post"]["beforeRequest"] == "sign"


@needs("node")
@pytest.mark.parametrize("url", ["https://hooks.example.com/webhook#rc=3", "http://127.0.0.1:1/w?a=b%20c"])
def test_artillerys_script_signs_as_the_webhook_verifies(url: str) -> None:
    script = (
        "const request = {};"
        f"require({json.dumps(str(ROOT / 'docs/artillery/sign.js'))}).sign(request, {{}}, {{}}, () => {{}});"
        "console.log(JSON.stringify(request));"
    )
    settings = os.environ | {"WEBHOOK_URL": url, "TWILIO_AUTH_TOKEN": TOKEN}
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True, env=settings)
    request = json.loads(done.stdout)
    assert is_signed_body(
        SigningSecrets(auth_tokens=(TOKEN,), shared_keys={}),
        urls=[url],
        query=request["url"].partition("?")[2],
        body=request["body"].encode(),
        signature=request["headers"]["X-Twilio-Signature"],
        settings_header=None,
    )
    assert "test" in json.loads(request["body"])
