"""Bodies that are huge, lie about their size, or never end: refused at once, with memory flat."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.http_server import RunningServer, running_server
from tests.support.sounds import recording
from tests.support.waiting import wait_until

MEGABYTE = 1_000_000
TWO_GIGABYTES = 2 * 1000 * MEGABYTE
BLOCK = bytes(64 * 1024)


def peak_kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextlib.contextmanager
def connection_to(server: RunningServer) -> Iterator[socket.socket]:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        yield connection


def head(*lines: str) -> bytes:
    form = "Content-Type: multipart/form-data; boundary=a"
    return "\r\n".join(["POST /v1/audio/clone HTTP/1.1", "Host: x", form, *lines, "", ""]).encode()


def read_answer(connection: socket.socket) -> str:
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            received += piece
            if b"}}" in received:
                break
    return received.decode()


def still_works(server: RunningServer) -> bool:
    return httpx.get(f"{server.url}/v1/models").status_code == 200


class Endless:
    """A body that counts what is taken of it."""

    def __init__(self, limit: int) -> None:
        self.sent = 0
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        while self.sent < self._limit:
            self.sent += len(BLOCK)
            yield BLOCK


@pytest.mark.parametrize("declared", [True, False], ids=["with its length", "in chunks"])
def test_two_gigabytes_are_refused_at_once_with_memory_flat(server: RunningServer, declared: bool) -> None:
    body = Endless(TWO_GIGABYTES)
    headers = {"Content-Type": "multipart/form-data; boundary=a"}
    if declared:
        headers["Content-Length"] = str(TWO_GIGABYTES)
    start = b'--a\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'

    def content() -> Iterator[bytes]:
        yield start
        yield from body

    before, began = peak_kilobytes(), time.monotonic()
    answer = httpx.post(f"{server.url}/v1/audio/clone", content=content(), headers=headers, timeout=20)
    assert answer.status_code == 413, answer.text
    assert answer.json()["error"]["code"] == "request_too_large"
    assert answer.headers["connection"] == "close"
    assert time.monotonic() - began < 10  # Two gigabytes take longer, and so would waiting for them.
    assert peak_kilobytes() - before < 30_000
    assert still_works(server)


def test_a_length_above_the_limit_is_refused_before_a_byte_is_sent(server: RunningServer) -> None:
    with connection_to(server) as connection:
        began = time.monotonic()
        connection.sendall(head(f"Content-Length: {TWO_GIGABYTES}"))
        answer = read_answer(connection)
        assert time.monotonic() - began < 5
    assert answer.startswith("HTTP/1.1 413")
    assert "request_too_large" in answer


def test_a_client_that_asks_first_is_told_before_it_sends(server: RunningServer) -> None:
    with connection_to(server) as connection:
        connection.sendall(head(f"Content-Length: {TWO_GIGABYTES}", "Expect: 100-continue"))
        assert read_answer(connection).startswith("HTTP/1.1 413")


@pytest.mark.parametrize("length", ["-1", "ten", "1e9", "10, 20", "9" * 30])
def test_a_length_that_is_no_number_is_a_4xx(server: RunningServer, length: str) -> None:
    with connection_to(server) as connection:
        connection.sendall(head(f"Content-Length: {length}"))
        assert read_answer(connection).startswith("HTTP/1.1 4")
    assert still_works(server)


def test_more_bytes_than_the_length_says_are_not_read_into_the_body(server: RunningServer) -> None:
    with connection_to(server) as connection:
        connection.sendall(head("Content-Length: 10") + b"--a\r\nConte" + BLOCK * 4)
        assert read_answer(connection).startswith("HTTP/1.1 400")
    assert still_works(server)


def test_fewer_bytes_than_the_length_says_then_an_end_is_no_fault_of_the_server(server: RunningServer) -> None:
    with connection_to(server) as connection:
        connection.sendall(head("Content-Length: 100000") + b"--a\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert "HTTP/1.1 5" not in read_answer(connection)
    assert still_works(server)
    assert server.api.uploads.in_progress == 0


def test_a_body_that_never_comes_is_given_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        running_server(tmp_path_factory.mktemp("slow"), request_timeout=1.0) as server,
        connection_to(server) as connection,
    ):
        connection.sendall(head("Content-Length: 100000") + b"--a\r\n")
        answer = read_answer(connection)
    assert answer.startswith("HTTP/1.1 408")
    assert "upload_timeout" in answer


def test_a_body_of_just_the_limit_passes(server: RunningServer) -> None:
    limit = server.api.context.settings.max_upload_bytes
    wav = recording(3.0)
    padding = limit - len(wav) - 4000
    files = {"file": ("a.wav", wav + bytes(padding))}
    answer = httpx.post(f"{server.url}/v1/audio/embedding", files=files, timeout=30)
    assert answer.status_code == 200, answer.text


def test_only_so_many_uploads_are_read_at_a_time(server: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(server.api.uploads.limit):
            slow = stack.enter_context(connection_to(server))
            slow.sendall(head("Content-Length: 1000") + b"--a\r\n")
        wait_until(lambda: server.api.uploads.in_progress == server.api.uploads.limit)
        answer = httpx.post(f"{server.url}/v1/audio/clone", files={"file": b"x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
    wait_until(lambda: server.api.uploads.in_progress == 0)
