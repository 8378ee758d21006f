"""The certificates that AWS is believed by, where the machine names a file of its own."""

from __future__ import annotations

import functools
import os
import ssl

import botocore.session

from b2bpilot.errors import SettingsInvalid

PLACES = "AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE or ca_bundle in ~/.aws/config"


def require_usable(session: botocore.session.Session, endpoint_url: str) -> None:
    """Refuse a file that cannot be used: botocore opens it on the way to a call, and tells it as trouble with the network.

    Raises SettingsInvalid.
    """
    path = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    if path and endpoint_url.startswith("https:"):
        _require_certificates(str(path))


@functools.cache
def _require_certificates(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError as exc:
        raise _unusable(f"the CA bundle {path} holds no certificate that can be read") from exc
    except OSError as exc:
        raise _unusable(f"the CA bundle {path} cannot be read: {exc.strerror}") from exc


def _unusable(text: str) -> SettingsInvalid:
    return SettingsInvalid(text, hint=f"look at {PLACES}")
