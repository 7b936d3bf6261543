from __future__ import annotations

import inspect

import pytest
from pydantic import ValidationError

from timbre_inference import errors
from timbre_inference.error_handlers import error_from_pydantic
from timbre_inference.middleware import outcome, too_large
from timbre_inference.schemas import SpeechRequest

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.TimbreError)]


def made(kind: type[errors.TimbreError]) -> errors.TimbreError:
    parameters = inspect.signature(kind).parameters["message"]
    return kind() if parameters.default is not inspect.Parameter.empty else kind("Something is wrong.")


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_drawn_in_the_docstring_with_its_consequence(kind: type[errors.TimbreError]) -> None:
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if kind.__name__ in line)
    if kind not in (errors.TimbreError, errors.RequestError, errors.ServiceError):
        assert str(kind.status) in line
        assert kind.type in line
        assert kind.code in line or kind is errors.BadReferenceError


@pytest.mark.parametrize("kind", KINDS)
def test_a_clients_fault_is_a_4xx_and_the_servers_is_not_called_the_clients(kind: type[errors.TimbreError]) -> None:
    error = made(kind)
    assert set(error.payload()["error"]) == {"message", "type", "param", "code"}
    if isinstance(error, errors.RequestError):
        assert 400 <= error.status < 500
        assert error.type == "invalid_request_error"
    else:
        assert error.status == 429 or error.status >= 500


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.01, "2"), (30.0, "30")])
def test_retry_after_is_whole_seconds_and_never_at_once(seconds: float, header: str) -> None:
    assert errors.OverloadedError(retry_after=seconds).headers == {"Retry-After": header}


@pytest.mark.parametrize(
    ("status", "complete", "expected"),
    [
        (200, True, "ok"),
        (200, False, "broken_off"),
        (0, False, "cancelled"),
        (499, True, "cancelled"),
        (401, True, "unauthorized"),
        (413, True, "too_large"),
        (422, True, "bad_request"),
        (429, True, "overloaded"),
        (500, True, "error"),
        (503, True, "draining"),
        (504, True, "timeout"),
    ],
)
def test_a_requests_end_has_a_word(status: int, complete: bool, expected: str) -> None:
    assert outcome(status, complete=complete) == expected


def test_validation_never_repeats_what_the_client_sent() -> None:
    with pytest.raises(ValidationError) as caught:
        SpeechRequest.model_validate({"model": "m", "voice": "v", "input": "t", "speed": "my secret"})
    error = error_from_pydantic(caught.value)
    assert "secret" not in error.message
    assert error.param == "speed"


@pytest.mark.parametrize(("limit", "words"), [(26_214_400, "25 MiB"), (1000, "1000 bytes")])
def test_a_limit_is_told_as_people_read_it(limit: int, words: str) -> None:
    assert words in too_large(limit).message
