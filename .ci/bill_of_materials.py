"""Write a bill of materials (CycloneDX 1.6, JSON) for each function that `sam build` made.

    python .ci/bill_of_materials.py .aws-sam/build dist/sbom

It says what is in the artifact, not what was asked for: packages by their metadata, the libraries in psycopg's wheel by their files and by the list that
the wheel brings along, the certificates by the file that names its source.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from b2bpilot import __version__

VERSION = SchemaVersion.V1_6
BUILDS = {"libcrypto": rb"OpenSSL (\d+\.\d+\.\d+) ", "libkrb5": rb"KRB5_BRAND: krb5-(\d+\.\d+(?:\.\d+)?)"}
"""Where a library that the wheel built itself says in its text which one it is."""
CERTIFICATES = Path("b2bpilot/pipeline/rds.pem")


def bill_of(artifact: Path) -> Bom:
    bill = Bom()
    root = Component(name=artifact.name, version=__version__, type=ComponentType.APPLICATION)
    bill.metadata.component = root
    for component in (*_packages(artifact), *_certificates(artifact)):
        bill.components.add(component)
        bill.register_dependency(root, [component])
    return bill


def _packages(artifact: Path) -> Iterator[Component]:
    for package in distributions(path=[str(artifact)]):
        yield _package(package)
        for brought in sorted(artifact.glob(f"{_folder(package)}-*.dist-info/sboms/*.cdx.json")):
            theirs = Bom.from_json(json.loads(brought.read_text()))  # type: ignore[attr-defined]
            yield from (each for each in theirs.components if each.purl and each.purl.type == "rpm")
        for library in sorted(artifact.glob(f"{_folder(package)}.libs/*.so*")):
            yield _library(library)


def _package(package: Distribution) -> Component:
    name = package.metadata["Name"]
    licence = package.metadata.get("License-Expression") or package.metadata.get("License")
    return Component(
        name=name,
        version=package.version,
        purl=PackageURL("pypi", name=name.lower(), version=package.version),
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
    )


def _folder(package: Distribution) -> str:
    return str(package.metadata["Name"]).replace("-", "_")


def _library(file: Path) -> Component:
    content, name = file.read_bytes(), file.name.partition("-")[0]
    found = re.search(BUILDS[name], content) if name in BUILDS else None
    return Component(
        name=file.name,
        version=found[1].decode() if found else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(content).hexdigest())],
    )


def _certificates(artifact: Path) -> Iterator[Component]:
    file = artifact / CERTIFICATES
    if not file.exists():
        return
    content = file.read_bytes()
    source = re.search(rb"npm package (\S+) (\S+) ", content)
    assert source, f"{file} does not name its source"  # noqa: S101
    name, version = source[1].decode(), source[2].decode()
    yield Component(
        name=name,
        version=version,
        type=ComponentType.DATA,
        purl=PackageURL("npm", name=name, version=version),
        licenses=[LicenseFactory().make_from_string("MIT")],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(content).hexdigest())],
    )


def main(built: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for artifact in sorted(path for path in built.iterdir() if path.is_dir()):
        text = make_outputter(bill_of(artifact), OutputFormat.JSON, VERSION).output_as_string(indent=2)
        if wrong := JsonStrictValidator(VERSION).validate_str(text):
            sys.exit(f"{artifact.name}: not CycloneDX: {wrong}")
        (target / f"{artifact.name}.cdx.json").write_text(text)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
