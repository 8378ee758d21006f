"""The HTTP API in front of the webhook: which route leads where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated

if TYPE_CHECKING:
    from types_boto3_apigatewayv2 import ApiGatewayV2Client

ACTION = "apigateway:GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """What an API calls. `uri` is the ARN of a function, also wrapped into a path of API Gateway's."""

    integration_id: str
    uri: str

    @property
    def function_arn(self) -> str:
        return self.uri.rpartition("/functions/")[2].removesuffix("/invocations")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRoute:
    """`integration` is None when the route leads nowhere."""

    route_id: str
    key: str
    integration: Integration | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    routes: tuple[ApiRoute, ...]
    integrations: tuple[Integration, ...]

    def route(self, key: str) -> ApiRoute | None:
        return next((route for route in self.routes if route.key == key), None)


def api(client: ApiGatewayV2Client, api_id: str) -> Api | None:
    """Return the routes of the API; None when there is no such API. Raises AwsError."""
    with translated(ACTION):
        try:
            pages = list(client.get_paginator("get_integrations").paginate(ApiId=api_id))
            routes = list(client.get_paginator("get_routes").paginate(ApiId=api_id))
        except ClientError as exc:
            if error_code(exc) != "NotFoundException":
                raise
            return None
    integrations = {
        found["IntegrationId"]: Integration(
            integration_id=found["IntegrationId"], uri=found.get("IntegrationUri", "")
        )
        for page in pages
        for found in page.get("Items", [])
    }
    return Api(
        integrations=tuple(integrations.values()),
        routes=tuple(
            ApiRoute(
                route_id=found["RouteId"],
                key=found["RouteKey"],
                integration=integrations.get(found.get("Target", "").removeprefix("integrations/")),
            )
            for page in routes
            for found in page.get("Items", [])
        ),
    )
