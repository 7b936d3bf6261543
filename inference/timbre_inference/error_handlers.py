"""Every failure leaves in one shape: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from timbre_inference.errors import (
    BodyTooLargeError,
    InternalError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    RequestError,
    TimbreError,
    UnsupportedMediaTypeError,
    UnusableValueError,
)

CLIENT_CLOSED_REQUEST = 499
"""nginx's number for a client that left; only logs and metrics see it."""

FIELD_NAME = re.compile(r"[a-z0-9_]+")
"""As schemas spell their fields; pydantic also reports `VoiceReference` and `constrained-str`."""

_WHERE_TO_LOOK = "See GET /v1/models and GET /v1/audio/voices for what this server has."
_BY_STATUS: dict[int, type[RequestError]] = {
    400: MalformedRequestError,
    404: NotFoundError,
    413: BodyTooLargeError,
    415: UnsupportedMediaTypeError,
}


def install_error_handlers(app: FastAPI) -> None:
    """Map this package's errors, pydantic's and the framework's. Unexpected ones: see `RequestScopeMiddleware`."""
    for kind in (TimbreError, RequestValidationError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, _on_failure)


def error_response(error: TimbreError) -> Response:
    """What the client receives for a failure."""
    return Response(
        json.dumps(error.payload(), ensure_ascii=False),
        status_code=error.status,
        headers=error.headers,
        media_type="application/json",
    )


def error_from_validation(errors: Iterable[Mapping[str, Any]]) -> RequestError:
    """One error for what pydantic found: the first field is `param`, every sentence is in the message."""
    found = list(errors)
    if any(error["type"].startswith("json_") for error in found):
        return MalformedRequestError(f"The body is not JSON: {_reason(found[0])}.")
    sentences = "; ".join(f"{_field(error) or 'body'}: {_sentence(error)}" for error in found[:5])
    codes = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}
    return UnusableValueError(
        f"{sentences}.", param=_field(found[0]) or None, code=codes.get(found[0]["type"], "invalid_value")
    )


def error_from_pydantic(error: ValidationError) -> RequestError:
    """The same for a model that was validated by hand. The client's values are not repeated to it."""
    return error_from_validation(error.errors(include_url=False, include_input=False))


def _field(error: Mapping[str, Any]) -> str:
    """`voice.id` of ("body", "voice", "VoiceReference", "id"): a union's members are our names, not the client's."""
    location = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    return ".".join(part for part in location if FIELD_NAME.fullmatch(part))


def _reason(error: Mapping[str, Any]) -> str:
    reason = error.get("ctx", {}).get("error", "")
    return str(reason) or str(error["msg"]).removesuffix(".")


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return "this field is required"
    if error["type"] == "extra_forbidden":
        return "there is no such field"
    if error["type"] == "value_error":
        return _reason(error)
    message = str(error["msg"])
    return (message[:1].lower() + message[1:]).removesuffix(".")


async def _on_failure(request: Request, error: Exception) -> Response:
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return error_response(_as_timbre_error(request, error))


def _as_timbre_error(request: Request, error: Exception) -> TimbreError:
    match error:
        case TimbreError():
            return error
        case RequestValidationError():
            return error_from_validation(error.errors())
        case HTTPException():
            return _error_from_http(request, error)
        case _:
            return InternalError()


def _error_from_http(request: Request, error: HTTPException) -> TimbreError:
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFoundError(f"There is nothing at {request.method} {path}. {_WHERE_TO_LOOK}")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = (error.headers or {}).get("Allow", "")
        return MethodNotAllowedError(f"{path} does not take {request.method}, only {allow}.", allow=allow)
    if error.status_code in _BY_STATUS:
        return _BY_STATUS[error.status_code](str(error.detail))
    kind = RequestError if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else TimbreError
    unnamed = kind(str(error.detail))
    unnamed.status = error.status_code
    return unnamed
