"""The table of routes as an OpenAPI 3.1 document: what programs read that ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from .route import MOST, Given, Route

JSON: Final = "application/json"
ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string"},
        "field": {"type": "string", "description": "What of the request is wrong."},
    },
}
ERRORS: Final = {
    400: "Something of the request is wrong.",
    401: "By TCP a token is wanted.",
    403: "This way is for reading, or another site's page asks.",
    404: "There is none of this name.",
    409: "It cannot be done as things stand; nothing has changed.",
    413: "The body is too long.",
    415: "The body is no JSON.",
}


def document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """The whole of it."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "twisted-lb admin endpoint",
            "version": version,
            "description": "See and steer a running balancer.",
        },
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": {"Error": ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    codes = {400, 401, 403} | ({404} if route.missing else set())
    if route.acts:
        codes |= {409, 413, 415}
    answers: dict[str, Any] = {str(code): _error(ERRORS[code]) for code in sorted(codes)}
    answers[str(route.status)] = {
        "description": "Done.",
        "content": {JSON: {"schema": {"type": "object"}}},
    }
    told: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _name(route),
        "parameters": [
            *({"name": name, "in": "path", "required": True,
               "schema": {"type": "string", "minLength": 1, "maxLength": MOST}}
              for name in route.fields),
            *({"name": given.name, "in": "query", "description": given.meaning,
               "schema": dict(given.schema)}
              for given in route.query),
        ],
        "responses": answers,
    }  # fmt: skip
    if route.body:
        told["requestBody"] = {"required": route.method == "PATCH", "content": _body(route)}
    return told


def _name(route: Route) -> str:
    words = route.path.removeprefix("/v1/").replace("{", "").replace("}", "")
    return route.method.lower() + "-" + words.replace("/", "-")


def _body(route: Route) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {given.name: _described(given) for given in route.body},
    }
    required = [given.name for given in route.body if given.required]
    if required:
        schema["required"] = required
    if route.method == "PATCH":
        schema["minProperties"] = 1
    return {JSON: {"schema": schema}}


def _described(given: Given) -> dict[str, Any]:
    return {**given.schema, "description": given.meaning}


def _error(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": description, "content": {JSON: {"schema": schema}}}
