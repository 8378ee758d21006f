"""Every variable of a shell that has settings for somebody else, set to what breaks whoever takes it for its own."""

from __future__ import annotations

from psycopg import pq

NOBODY = "http://127.0.0.1:9"

SETTINGS = dict.fromkeys(
    (
        *("TWILIO_SECRET_ARN", "DATABASE_SECRET_ARN", "DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME"),
        *("SECRET_ARN", "DATABASE_URL", "SNS_TOPIC_ARN", "PROCESSOR_FUNCTION_NAME", "STALE_AFTER_MINUTES"),
        *("REPLY_TEXT", "PUBLIC_WEBHOOK_URL", "API_WEBHOOK_URL", "PREVIOUS_WEBHOOK_URL", "TWILIO_API_URL"),
        *("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_SECONDARY_AUTH_TOKEN", "TWILIO_SHARED_KEYS"),
        *("TWILIO_EDGE", "TWILIO_REGION", "TWILIO_API_KEY", "TWILIO_API_SECRET"),
    ),
    "poison",
)
POSTGRES = dict.fromkeys(
    (
        *(option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar),
        *("PGDATESTYLE", "PGTZ", "PGGEQO", "PGSERVICEFILE", "PGSYSCONFDIR", "PGDATA", "PGLOCALEDIR"),
    ),
    "poison",
)
AWS = dict.fromkeys((*("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"), *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), *("AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "AWS_DEFAULTS_MODE", "AWS_ACCOUNT_ID_ENDPOINT_MODE"), *("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION", "AWS_STS_REGIONAL_ENDPOINTS"), *("AWS_DATA_PATH", "AWS_USE_FIPS_ENDPOINT", "AWS_LAMBDA_FUNCTION_NAME", "AWS_EXECUTION_ENV")), "poison") | {
    "AWS_ENDPOINT_URL": NOBODY,
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    **{
        f"AWS_ENDPOINT_URL_{service}": NOBODY
        for service in ("SNS", "SQS", "LAMBDA", "CLOUDFORMATION", "CLOUDWATCH", "CLOUDWATCH_LOGS", "SECRETS_MANAGER")
    },
}  # fmt: skip
PROXIES = {
    spelled: NOBODY if name != "no_proxy" else ""
    for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy")
    for spelled in (name, name.upper())
}
PROGRAM = {
    f"B2BPILOT_{name}": value
    for name, value in {
        "REGION": "poison",
        "PROFILE": "poison",
        "ENDPOINT_URL": NOBODY,
        "DATABASE_URL": "postgresql://poison@127.0.0.1:9/poison",
        "LOCAL_RUNTIME_URL": NOBODY,
        "LOCAL_EVENTS": "/poison",
    }.items()
}
INTERPRETER = {"PYTHONPATH": "/poison", "PYTHONSTARTUP": "/poison", "PYTHONWARNINGS": "error::UserWarning"}
LOCALE = {"LANG": "poison", "LC_ALL": "poison", "TZ": "Poison/Poison"}
EMULATOR = {
    "LOG_LEVEL": "poison",
    "GATEWAY_PORT": "1",
    "PERSIST_STATE": "0",
    "SERVICES": "poison",
    "EDGE_PORT": "1",
}

FOR_A_PROCESS = SETTINGS | POSTGRES | AWS | PROXIES | PROGRAM | LOCALE | EMULATOR
POISON = FOR_A_PROCESS | INTERPRETER
"""`FOR_A_PROCESS` is without what an interpreter takes for itself before our code runs."""
