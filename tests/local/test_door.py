"""Ports on loopback are open to every web page and every user of the machine: without the key nobody gets further."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from http import HTTPStatus

import pytest
import urllib3
from botocore.exceptions import ClientError

from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.local.state import EnvironmentState
from tests.local.conftest import Deployment, Machine, back_door_headers

CREATE = {"Action": "CreateTopic", "Name": "theirs", "Version": "2010-03-31"}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False) as found:
        yield found


def signed(state: EnvironmentState) -> str:
    key = state.access_key_id
    return f"AWS4-HMAC-SHA256 Credential={key}/20261130/us-east-1/sns/aws4_request, SignedHeaders=host, Signature=0"


def post(
    http: urllib3.PoolManager, url: str, headers: dict[str, str], fields: dict[str, str] = CREATE
) -> urllib3.BaseHTTPResponse:
    return http.request("POST", url, fields=fields, encode_multipart=False, headers=headers, timeout=20)


def test_who_has_the_key_is_answered(environment: Machine, http: urllib3.PoolManager) -> None:
    state = environment.state

    answer = post(http, state.endpoint_url, {"authorization": signed(state)})

    assert answer.status == HTTPStatus.OK


@pytest.mark.parametrize(
    "given",
    [
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example.com"},
        {"host": "127.0.0.1.evil.example.com:4566"},
        {"host": "b2bpilot.execute-api.evil.example.com"},
        {"host": ""},
    ],
)
@pytest.mark.parametrize("path", ["/", "/_aws/execute-api/b2bpilot/webhook", "/_ministack/health"])
def test_a_web_page_is_refused_everywhere(
    environment: Machine, http: urllib3.PoolManager, given: dict[str, str], path: str
) -> None:
    state = environment.state

    answer = post(http, state.endpoint_url + path, {"authorization": signed(state)} | given)

    assert answer.status == HTTPStatus.FORBIDDEN
    assert b"web page" in answer.data or b"not this machine" in answer.data


def test_a_browser_is_told_of_no_permission(environment: Machine, http: urllib3.PoolManager) -> None:
    state = environment.state

    preflight = http.request("OPTIONS", state.endpoint_url, headers={"origin": "https://evil.example.com"})
    answers = [
        preflight,
        http.request("OPTIONS", state.endpoint_url, headers={"authorization": signed(state)}),
        post(http, state.endpoint_url, {"authorization": signed(state)}),
        http.request("GET", f"{state.endpoint_url}/_ministack/health"),
        http.request("POST", state.webhook_url, body=b"", headers={"content-type": FORM}),
    ]

    assert preflight.status == HTTPStatus.FORBIDDEN
    assert not [name for one in answers for name in one.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic eDp5",
        "AWS4-HMAC-SHA256 Credential=000000000001/20261130/us-east-1/sns/aws4_request",
        "AWS x:y",
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/2015-03-31/functions", "/_ministack/reset", "/_ministack/config", "/x?AWSAccessKeyId=1"]
)
def test_without_the_key_nothing_is_done(
    environment: Machine, http: urllib3.PoolManager, authorization: str, path: str
) -> None:
    answer = post(http, environment.state.endpoint_url + path, {"authorization": authorization})

    assert answer.status == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("service", ["sns", "sqs", "lambda", "cloudformation", "logs"])
def test_every_client_shows_why_a_key_is_refused(environment: Machine, service: str) -> None:
    access = AwsAccess(
        region="us-east-1",
        endpoint_url=environment.state.endpoint_url,
        access_key_id="another",
        secret_access_key="x",
    )
    calls = {
        "sns": "list_topics",
        "sqs": "list_queues",
        "lambda": "list_functions",
        "cloudformation": "describe_stacks",
        "logs": "describe_log_groups",
    }

    with pytest.raises(ClientError) as refused:
        getattr(access.client(service, Timeouts(attempts=1)), calls[service])()

    assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_two_environments_have_two_keys(environment: Machine) -> None:
    state = environment.state

    assert state.access_key_id != EnvironmentState.__dataclass_fields__["access_key_id"].default
    assert len(state.access_key_id) > 30
    assert (environment.home / "environment.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-B2bpilot-Key": "wrong"},
        {"origin": "https://evil.example.com"},
        {"host": "evil.example.com"},
    ],
)
def test_the_runtime_runs_nothing_for_a_stranger(
    environment: Machine, http: urllib3.PoolManager, headers: dict[str, str]
) -> None:
    function = environment.stack_output("WebhookFunctionName")
    url = f"{environment.state.runtime_url}/2015-03-31/functions/{function}/invocations"

    assert http.request("POST", url, body=b"{}", headers=headers).status == HTTPStatus.FORBIDDEN


def test_a_handler_that_is_not_the_templates_is_not_run(deployment: Deployment) -> None:
    deployment.deploy(Handler="subprocess.getoutput")
    functions = deployment.environment.client("lambda")

    answer = functions.invoke(FunctionName=deployment.name, Payload=json.dumps("touch /nowhere").encode())

    assert json.loads(answer["Payload"].read())["errorMessage"] == (
        "'subprocess.getoutput' is no handler of the template: nothing else is run here"
    )


def test_no_key_stands_in_the_list_of_processes(environment: Machine) -> None:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout

    assert environment.state.access_key_id not in listed
    assert environment.state.secret_access_key not in listed


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "https://evil.example.com"}, {"host": "evil.example.com"}]
)
@pytest.mark.parametrize("path", ["/_double/redaction", "/2010-04-01/Accounts.json"])
def test_the_double_of_twilio_does_nothing_for_a_stranger(
    environment: Machine, http: urllib3.PoolManager, headers: dict[str, str], path: str
) -> None:
    known = back_door_headers(environment.state) if headers else {}

    answer = http.request(
        "POST", environment.state.twilio_api_url + path, body=b"{}", headers=known | headers
    )

    assert answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
