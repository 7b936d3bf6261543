from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.support.http_server import RunningServer, running_server
from timbre_inference.auth import ApiKeys, digests_of, presented_key
from timbre_inference.errors import AuthenticationError
from timbre_inference.settings import SettingsError

KEYS = "# the demo's\nkey-one\n\n  key-two  \n"


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "api-keys"
    path.write_text(KEYS)
    return path


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, keys_file: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("locked"), api_keys_file=str(keys_file)) as server:
        yield server


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", ""),
        ("Bearer", ""),
        ("", ""),
        ("abc", ""),
    ],
)
def test_a_key_is_read_from_its_header(header: str, expected: str) -> None:
    assert presented_key(header) == expected


def test_blank_lines_and_comments_are_no_keys() -> None:
    assert len(digests_of(KEYS)) == 2
    assert digests_of("\n# nothing\n") == ()


@pytest.mark.parametrize("path", ["/v1/models", "/v1/audio/voices", "/v1/nothing"])
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer key-on", "Bearer key-one key-two", "Basic key-one"])
def test_without_a_key_nothing_is_told(locked: RunningServer, path: str, header: str | None) -> None:
    answer = httpx.get(locked.url + path, headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["x-request-id"]


def test_an_upload_without_a_key_is_not_read(locked: RunningServer) -> None:
    answer = httpx.post(f"{locked.url}/v1/audio/clone", files={"file": bytes(20_000_000)}, timeout=20)
    assert answer.status_code == 401


@pytest.mark.parametrize("key", ["key-one", "key-two"])
def test_every_key_of_the_file_opens(locked: RunningServer, key: str) -> None:
    with openai.OpenAI(base_url=f"{locked.url}/v1", api_key=key) as sdk:
        assert [model.id for model in sdk.models.list()] == ["timbre-en"]


def test_openais_client_raises_its_own_error(locked: RunningServer) -> None:
    with (
        openai.OpenAI(base_url=f"{locked.url}/v1", api_key="wrong", max_retries=0) as sdk,
        pytest.raises(openai.AuthenticationError, match="Incorrect API key"),
    ):
        sdk.models.list()


def test_the_studio_page_opens_without_a_key(locked: RunningServer) -> None:
    assert httpx.get(locked.url).status_code == 200


def test_a_rotated_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("old\n")
    keys = ApiKeys(path)
    keys.load()
    keys.check("Bearer old")
    replacement = tmp_path / "new"
    replacement.write_text("new\n")
    replacement.replace(path)
    keys.check("Bearer new")
    with pytest.raises(AuthenticationError):
        keys.check("Bearer old")


def test_a_file_that_vanishes_opens_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys"
    path.write_text("key\n")
    keys = ApiKeys(path)
    keys.load()
    path.unlink()
    with caplog.at_level(logging.ERROR), pytest.raises(AuthenticationError):
        keys.check("Bearer key")
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("content", [None, "", "# only a comment\n"], ids=["missing", "empty", "comment"])
def test_a_server_does_not_start_unlocked_by_mistake(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match="TIMBRE_API_KEYS_FILE"), running_server(tmp_path, api_keys_file=str(path)):
        pass
