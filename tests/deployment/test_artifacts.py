"""What `sam build` makes: complete, for one architecture, and nothing that the function does not use."""

import json
import platform
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

import pytest

from b2bpilot.pipeline.architecture import architectures
from tests.deployment.lock import pins
from tests.tls_database import authority, speaking_tls

Artifacts = dict[str, Path]
OF_ALL = ("__init__.py", "advice.py", "errors.py")
HANDLERS = {
    "WebhookHandlerFunction": "webhook_handler",
    "BackgroundProcessorFunction": "background_processor",
    "StaleMessageProcessorFunction": "stale_message_processor",
    "DeadLetterRedriverFunction": "dead_letter_redriver",
}
OF_THE_DATABASE = ["BackgroundProcessorFunction", "StaleMessageProcessorFunction"]
AARCH64, X86_64 = 183, 62
IS_X86_64 = platform.machine() == "x86_64"
LAMBDA_HAS = ["boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"]


def elf_machines(artifact: Path) -> Iterator[int]:
    """The e_machine field of every ELF file, whatever its name."""
    for path in artifact.rglob("*"):
        header = path.read_bytes()[:20] if path.is_file() else b""
        if header.startswith(b"\x7fELF"):
            yield int.from_bytes(header[18:20], "little")


def packages(artifact: Path) -> set[str]:
    return {path.name.removesuffix(".dist-info") for path in artifact.glob("*.dist-info")}


def test_the_template_and_the_makefile_agree_on_the_functions(arm64: Artifacts) -> None:
    assert set(arm64) == set(HANDLERS)


def test_the_express_processor_is_built_as_the_processor_is(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    names = ("BackgroundProcessorFunction", "ExpressProcessorFunction")
    first, second = (
        run("make", "--dry-run", "-f", "lambdas/Makefile", f"build-{name}", "ARTIFACTS_DIR=HERE")
        for name in names
    )
    assert (first.returncode, first.stdout) == (0, second.stdout)
    assert "background_processor" in first.stdout


@pytest.mark.parametrize("function", HANDLERS)
def test_the_arm64_artifact_has_only_arm64_binaries(arm64: Artifacts, function: str) -> None:
    assert set(elf_machines(arm64[function])) <= {AARCH64}


@pytest.mark.parametrize("function", ["BackgroundProcessorFunction", "StaleMessageProcessorFunction"])
def test_the_binary_psycopg_is_there_for_both(arm64: Artifacts, x86_64: Artifacts, function: str) -> None:
    assert set(elf_machines(arm64[function])) == {AARCH64}
    assert set(elf_machines(x86_64[function])) == {X86_64}
    for artifact in (arm64[function], x86_64[function]):
        assert list(artifact.glob("psycopg_binary/pq.*.so"))


@pytest.mark.parametrize("function", HANDLERS)
def test_both_architectures_get_the_same_packages(arm64: Artifacts, x86_64: Artifacts, function: str) -> None:
    assert packages(arm64[function]) == packages(x86_64[function])


def licences(artifact: Path) -> dict[str, str]:
    """What each package in it says of its licence."""
    found = [each.metadata for each in distributions(path=[str(artifact)])]
    return {each["Name"]: each.get("License-Expression") or each["License"] for each in found}


def noticed(root: Path, title: str) -> dict[str, str]:
    """A table of NOTICE: the first two columns of its rows."""
    table = (root / "NOTICE").read_text().partition(f"\n{title} ")[2].partition("\n\n")[0]
    return dict(row.split()[:2] for row in table.splitlines()[1:])  # type: ignore[misc]


def test_the_notice_names_every_package_that_is_shipped_and_its_licence(arm64: Artifacts, root: Path) -> None:
    shipped = {name: licence for artifact in arm64.values() for name, licence in licences(artifact).items()}

    assert noticed(root, "package") == shipped


def test_the_notice_names_every_library_that_psycopg_brings_along(
    arm64: Artifacts, x86_64: Artifacts, root: Path
) -> None:
    for artifacts in (arm64, x86_64):
        files = artifacts["BackgroundProcessorFunction"].glob("*.libs/*.so*")
        assert {file.name.partition("-")[0] for file in files} == noticed(root, "library").keys()


@pytest.mark.parametrize("function", HANDLERS)
def test_an_artifact_carries_our_licence_and_the_notice(arm64: Artifacts, root: Path, function: str) -> None:
    for name in ("LICENSE", "NOTICE"):
        assert (arm64[function] / name).read_text() == (root / name).read_text()


def test_a_bill_of_materials_lists_what_is_in_the_artifact(
    arm64: Artifacts, run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = run(
        "python", ".ci/bill_of_materials.py", str(arm64["WebhookHandlerFunction"].parent), str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert {path.name.removesuffix(".cdx.json") for path in tmp_path.iterdir()} == set(HANDLERS)
    for function, artifact in arm64.items():
        components = json.loads((tmp_path / f"{function}.cdx.json").read_text()).get("components", [])
        packaged = {
            f"{each['name']}-{each['version']}" for each in components if "pypi" in each.get("purl", "")
        }
        assert {name.replace("-", "_") for name in packaged} == {
            name.replace("-", "_") for name in packages(artifact)
        }
        files = {
            file.name for file in (*artifact.glob("*.libs/*.so*"), *artifact.glob("b2bpilot/pipeline/*.pem"))
        }
        assert len([each for each in components if "hashes" in each]) == len(files)


@pytest.mark.parametrize("function", HANDLERS)
def test_versions_are_those_of_the_constraints(arm64: Artifacts, root: Path, function: str) -> None:
    pinned = {
        f"{name.replace('-', '_')}-{version}" for name, version in pins(root / "constraints.txt").items()
    }
    assert {name.lower() for name in packages(arm64[function])} <= pinned


@pytest.mark.parametrize(("function", "handler"), HANDLERS.items())
def test_an_artifact_holds_its_handler_and_what_that_may_import(
    arm64: Artifacts, function: str, handler: str
) -> None:
    artifact = arm64[function]
    ours = {path.name for path in (artifact / "b2bpilot").iterdir()} - {"__pycache__"}
    assert {path.name for path in (artifact / "lambdas").iterdir() if path.is_dir()} - {"__pycache__"} == {
        handler
    }
    assert {*OF_ALL, "pipeline", "aws"} <= ours
    assert ours <= {*OF_ALL, "pipeline", "aws", "twilio"}


@pytest.mark.parametrize("function", HANDLERS)
def test_nothing_rides_along(arm64: Artifacts, function: str) -> None:
    top = {path.name for path in arm64[function].iterdir()}
    assert not top & {
        "boto3",
        "botocore",
        "typer",
        "rich",
        "aiohttp",
        "tests",
        "bin",
        ".lock",
        "requirements.txt",
    }


def test_of_twilio_only_the_used_part_is_shipped(arm64: Artifacts) -> None:
    assert not (arm64["WebhookHandlerFunction"] / "twilio" / "rest").exists()
    rest = arm64["BackgroundProcessorFunction"] / "twilio" / "rest"
    assert {path.name for path in rest.iterdir() if path.is_dir()} - {"__pycache__"} == {"api"}
    assert not (arm64["StaleMessageProcessorFunction"] / "twilio").exists()


@pytest.fixture(scope="session")
def lambda_runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Lambda's Python runtime brings: boto3 and what it needs, linked one by one so that nothing else comes."""
    import boto3

    here = tmp_path_factory.mktemp("runtime")
    for name in LAMBDA_HAS:
        (here / name).symlink_to(Path(boto3.__file__).parents[1] / name)
    return here


@pytest.fixture(scope="session")
def isolated(python_3_13: str, lambda_runtime: Path) -> Callable[[Path, str], str]:
    """Run code in a fresh Python 3.13 that sees the standard library, one artifact and Lambda's boto3."""

    def isolated(artifact: Path, code: str) -> str:
        prelude = f"import sys; sys.path[:0] = {[str(artifact), str(lambda_runtime)]!r}\n"
        command = [python_3_13, "-I", "-S", "-B", "-W", "error", "-c", prelude + code]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return isolated


@pytest.mark.parametrize(("function", "handler"), HANDLERS.items())
def test_each_handler_imports_from_its_artifact(
    x86_64: Artifacts, isolated: Callable[[Path, str], str], function: str, handler: str
) -> None:
    code = f"from lambdas.{handler}.handler import handler; print(callable(handler))"
    assert isolated(x86_64[function], code) == "True"


def test_every_module_of_ours_imports_in_the_processor(
    x86_64: Artifacts, isolated: Callable[[Path, str], str]
) -> None:
    """Also what the handler imports only on the way: a module that needs the command line would fail here."""
    artifact = x86_64["BackgroundProcessorFunction"]
    files = [
        path.relative_to(artifact)
        for top in ("lambdas", "b2bpilot")
        for path in (artifact / top).rglob("*.py")
    ]
    modules = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files]
    isolated(artifact, f"import importlib\nfor name in {modules!r}: importlib.import_module(name)")


@pytest.mark.parametrize("function", ["BackgroundProcessorFunction", "StaleMessageProcessorFunction"])
def test_psycopg_runs_on_its_own_libpq(
    x86_64: Artifacts, isolated: Callable[[Path, str], str], function: str
) -> None:
    code = "import psycopg; print(psycopg.pq.__impl__, psycopg.__file__)"
    assert isolated(x86_64[function], code) == f"binary {x86_64[function]}/psycopg/__init__.py"


@pytest.mark.parametrize("function", HANDLERS)
def test_the_cas_of_rds_are_where_a_database_is_used(arm64: Artifacts, function: str) -> None:
    is_there = (arm64[function] / "b2bpilot" / "pipeline" / "rds.pem").exists()

    assert is_there == (function in OF_THE_DATABASE)
    assert (arm64[function] / "certifi" / "cacert.pem").exists() or not is_there


@pytest.mark.parametrize("function", OF_THE_DATABASE)
def test_a_function_verifies_its_database_by_what_is_in_its_artifact(
    x86_64: Artifacts,
    isolated: Callable[[Path, str], str],
    postgres_server: str,
    tmp_path: Path,
    function: str,
) -> None:
    """Without a home, without a file of the machine's: by its secret's CA, by public ones, and by those of RDS."""
    ca = authority("the database's CA")
    code = f"""
import os
os.environ |= {{"HOME": "/nowhere", "DATABASE_CA": {ca.pem!r}, "DATABASE_URL": url.format("localhost")}}
from lambdas.{HANDLERS[function]} import handler
print(handler._database().now().year)
handler.end()
for host in ("localhost", "d.c1.eu-west-1.rds.amazonaws.com"):
    os.environ |= {{"DATABASE_CA": "", "DATABASE_URL": url.format(host)}}
    try:
        handler._database().now()
    except Exception as exc:
        print(str(exc).rpartition(": ")[2])
    handler.end()
"""
    with speaking_tls(postgres_server, ca.certify("localhost", tmp_path / "server")) as port:
        url = f"postgresql://postgres@{{}}:{port}/postgres?hostaddr=127.0.0.1&sslmode=verify-full"
        said = isolated(x86_64[function], f"url = {url!r}\n{code}").splitlines()

    assert said == [str(datetime.now(UTC).year), "certificate verify failed", "certificate verify failed"]


def test_the_webhook_verifies_a_signature_with_what_it_has(
    x86_64: Artifacts, isolated: Callable[[Path, str], str]
) -> None:
    code = """
from twilio.request_validator import RequestValidator
validator = RequestValidator("token")
signature = validator.compute_signature("https://example.com/webhook", {"Body": ""})
print(validator.validate("https://example.com/webhook", {"Body": ""}, signature))
"""
    assert isolated(x86_64["WebhookHandlerFunction"], code) == "True"


def test_the_processor_sends_a_message_with_what_is_left_of_twilio(
    x86_64: Artifacts, isolated: Callable[[Path, str], str]
) -> None:
    code = """
import json
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

class Recorder(HttpClient):
    def __init__(self):
        pass
    def request(self, method, uri, params=None, data=None, **rest):
        print(json.dumps([method, uri, data]))
        return Response(201, json.dumps({"sid": "SM1", "status": "queued"}))

Client("AC1", "token").messages
Client("AC1", "token", http_client=Recorder()).messages.create(to="+1", from_="+2", body="hello")
"""
    method, uri, data = json.loads(isolated(x86_64["BackgroundProcessorFunction"], code))
    assert (method, uri) == ("POST", "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json")
    assert data == {"To": "+1", "From": "+2", "Body": "hello"}


@pytest.mark.parametrize("function", ["BackgroundProcessorFunction", "StaleMessageProcessorFunction"])
def test_the_wrong_artifact_says_so_in_one_line(
    arm64: Artifacts, x86_64: Artifacts, python_3_13: str, lambda_runtime: Path, function: str
) -> None:
    """As Lambda's runtime imports it: what an ImportError says is what it logs, and what the dead letter says."""
    wrong, theirs, this = (arm64, "arm64", "x86_64") if IS_X86_64 else (x86_64, "x86_64", "arm64")
    name = HANDLERS[function]
    code = f"""
import sys; sys.path[:0] = {[str(wrong[function]), str(lambda_runtime)]!r}
try:
    import lambdas.{name}.handler
except ImportError as exc:
    print(exc)
"""
    environment = {"AWS_LAMBDA_FUNCTION_NAME": f"b2b-pilot-{name.replace('_', '-')}-eu-dev"}
    done = subprocess.run(
        [python_3_13, "-I", "-S", "-B", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )

    assert done.stderr == ""
    assert done.stdout == (
        f"the artifact is built for {theirs}, and the function runs on {this}: "
        "deploy it again with `make deploy ENV=eu-dev`, which builds it for what it sets\n"
    )


def test_an_artifacts_architecture_is_read_from_its_libraries(arm64: Artifacts, x86_64: Artifacts) -> None:
    name = "BackgroundProcessorFunction"
    assert (architectures(arm64[name]), architectures(x86_64[name])) == ({"arm64"}, {"x86_64"})
    assert architectures(arm64["DeadLetterRedriverFunction"]) == frozenset()


@pytest.mark.usefixtures("python_3_13")
@pytest.mark.parametrize("function", HANDLERS)
def test_bytecode_stays_valid_under_sams_constant_dates(arm64: Artifacts, function: str) -> None:
    compiled = list(arm64[function].rglob("*.pyc"))
    assert {path.read_bytes()[4] for path in compiled} == {0b01}, "hash-based and unchecked (PEP 552)"
    assert len(compiled) == len(list(arm64[function].rglob("*.py")))


def test_an_unknown_architecture_is_refused(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run(
        "make",
        "--dry-run",
        "--file",
        "lambdas/Makefile",
        "build-WebhookHandlerFunction",
        B2BPILOT_ARCH="mips",
    )
    assert done.returncode != 0
    assert 'B2BPILOT_ARCH is arm64 or x86_64, not "mips"' in done.stderr
