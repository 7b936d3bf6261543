"""API keys: a file with one key a line, compared in constant time, read again when it changes."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from pathlib import Path

from timbre_inference.errors import AuthenticationError

logger = logging.getLogger(__name__)

_HOW = "Send it as `Authorization: Bearer KEY`."


def digests_of(text: str) -> tuple[bytes, ...]:
    """One SHA-256 a key; blank lines and lines that start with # are none."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(_digest(line) for line in lines if line and not line.startswith("#"))


def presented_key(authorization: str) -> str:
    """The key in an Authorization header; "" when there is none."""
    scheme, _, key = authorization.strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


class ApiKeys:
    """The keys of one file. A Secret that is rotated is a file that changes: no restart is needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests: tuple[bytes, ...] = ()
        self._version: tuple[int, int] | None = None

    def load(self) -> None:
        """Read the file; OSError when it cannot be read, ValueError when it holds no key."""
        self._read()
        if not self._digests:
            raise ValueError(f"{self._path} holds no API key: write one key a line.")

    def check(self, authorization: str) -> None:
        """Raise AuthenticationError unless the header carries a key of the file."""
        key = presented_key(authorization)
        if not key:
            raise AuthenticationError(f"You didn't provide an API key. {_HOW}")
        self._refresh()
        if not self._holds(key):
            raise AuthenticationError("Incorrect API key provided. Ask whoever runs this server for one.")

    def _holds(self, key: str) -> bool:
        digest = _digest(key)
        # Every key is compared, so that time tells nothing of which one matched.
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0

    def _refresh(self) -> None:
        try:
            if self._stat() != self._version:
                self._read()
        except OSError:
            # Keys that can no longer be read can no longer be vouched for.
            logger.exception("the API keys file cannot be read: every key is refused")
            self._digests, self._version = (), None

    def _read(self) -> None:
        version = self._stat()
        self._digests = digests_of(self._path.read_text(encoding="utf-8"))
        self._version = version

    def _stat(self) -> tuple[int, int]:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_ino


def authorization_of(headers: Mapping[bytes, bytes]) -> str:
    """The Authorization header as text; header bytes are Latin-1."""
    return headers.get(b"authorization", b"").decode("latin-1")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
