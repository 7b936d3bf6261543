"""The voice store: enrolled voices and the consents they rest on, in folders that appear and vanish whole.

    ROOT/voices/voice_…/voice.json, reference.flac, embedding.npy
    ROOT/consents/cons_…/consent.json, recording
    ROOT/incoming/…          what is being written, or on its way out

Every folder is written under incoming/ and renamed into place, so that a reader, a second pod on the same
volume or a crash never meets half a voice. Everything blocks: call it from a worker thread.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from timbre_inference.errors import ConflictError, StorageFullError, UnknownConsentError, UnknownVoiceError

Embedding = npt.NDArray[np.float32]

MAX_VOICES = 10_000
MAX_CONSENTS = 10_000
STALE_SECONDS = 3600.0
"""Anything older under incoming/ was left by a crash."""

_VOICE_ID = re.compile(r"voice_[0-9a-f]{24}")
_CONSENT_ID = re.compile(r"cons_[0-9a-f]{24}")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


class VoiceStoreError(ValueError):
    """The store's URL cannot be used; the message says why."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConsentProof(_Stored):
    """Why this voice may be used, as it was when the voice was enrolled."""

    kind: Literal["recording", "statement"]
    consent_id: str = ""
    statement: str = ""
    recorded_at: int
    request_id: str


class StoredVoice(_Stored):
    """voice.json."""

    id: str
    name: str
    created_at: int
    reference_digest: str
    """Of the waveform: the same recording enrolled twice has one embedding in memory."""
    speech_seconds: float
    encoder_id: str
    """The encoder that made embedding.npy; with another one, it is made anew from reference.flac."""
    consent: ConsentProof


class StoredConsent(_Stored):
    """consent.json."""

    id: str
    name: str
    language: str
    created_at: int
    recording_digest: str


def new_voice_id() -> str:
    return f"voice_{secrets.token_hex(12)}"


def new_consent_id() -> str:
    return f"cons_{secrets.token_hex(12)}"


def store_root(url: str) -> Path:
    """The folder that a file:/// URL names."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise VoiceStoreError(f"{parts.scheme or url!r} is not a kind of voice store: use file:///folder.")
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise VoiceStoreError("A file voice store needs an absolute path: file:///folder, with three slashes.")
    return Path(unquote(parts.path))


class VoiceStore:
    """Voices and consents under one folder."""

    def __init__(self, root: Path) -> None:
        self._voices = root / "voices"
        self._consents = root / "consents"
        self._incoming = root / "incoming"

    def open(self) -> None:
        """Make the folders and clear what a crash left; OSError when the folder cannot be written."""
        for folder in (self._voices, self._consents, self._incoming):
            folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._incoming.iterdir():
            if leftover.stat().st_mtime < time.time() - STALE_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)
        self._new_folder().rmdir()

    def add_voice(self, voice: StoredVoice, reference: bytes, embedding: Embedding) -> None:
        """Keep a voice; it is there wholly when this returns."""
        self._refuse_when_full(self._voices, MAX_VOICES)
        files = {
            "voice.json": voice.model_dump_json().encode(),
            "reference.flac": reference,
            "embedding.npy": _npy_bytes(embedding),
        }
        self._add(self._voices / voice.id, files)

    def voice(self, voice_id: str) -> StoredVoice:
        """The record of one voice."""
        try:
            return StoredVoice.model_validate_json((self._voice_folder(voice_id) / "voice.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise unknown_voice(voice_id) from None

    def embedding(self, voice_id: str) -> Embedding:
        """The embedding that was made at enrolment."""
        with self._voice_file(voice_id, "embedding.npy") as path:
            return np.asarray(np.load(io.BytesIO(path.read_bytes()), allow_pickle=False), dtype=np.float32)

    def reference(self, voice_id: str) -> bytes:
        """The reference recording, as FLAC."""
        with self._voice_file(voice_id, "reference.flac") as path:
            return path.read_bytes()

    def voices(self) -> list[StoredVoice]:
        """All voices, oldest first."""
        found = []
        for folder in self._voices.iterdir():
            # A voice may be deleted, by another pod too, while the list is made.
            with contextlib.suppress(UnknownVoiceError):
                found.append(self.voice(folder.name))
        return sorted(found, key=lambda voice: (voice.created_at, voice.id))

    def delete_voice(self, voice_id: str) -> None:
        """Remove a voice with its recording."""
        try:
            self._remove(self._voice_folder(voice_id))
        except FileNotFoundError:
            raise unknown_voice(voice_id) from None

    def add_consent(self, consent: StoredConsent, recording: bytes) -> None:
        """Keep a consent recording as it was sent."""
        self._refuse_when_full(self._consents, MAX_CONSENTS)
        files = {"consent.json": consent.model_dump_json().encode(), "recording": recording}
        self._add(self._consents / consent.id, files)

    def consent(self, consent_id: str) -> StoredConsent:
        """The record of one consent."""
        try:
            return StoredConsent.model_validate_json((self._consent_folder(consent_id) / "consent.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise unknown_consent(consent_id) from None

    def consents(self) -> list[StoredConsent]:
        """All consents, oldest first."""
        found = []
        for folder in self._consents.iterdir():
            with contextlib.suppress(UnknownConsentError):
                found.append(self.consent(folder.name))
        return sorted(found, key=lambda consent: (consent.created_at, consent.id))

    def rename_consent(self, consent_id: str, name: str) -> StoredConsent:
        """Change the label of a consent recording."""
        renamed = self.consent(consent_id).model_copy(update={"name": name})
        folder = self._consent_folder(consent_id)
        with self._room():
            draft = self._new_folder()
            _write_durably(draft / "consent.json", renamed.model_dump_json().encode())
            try:
                (draft / "consent.json").replace(folder / "consent.json")
            except FileNotFoundError:
                raise unknown_consent(consent_id) from None
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return renamed

    def delete_consent(self, consent_id: str) -> None:
        """Remove a consent recording that no voice rests on."""
        self.consent(consent_id)
        if dependent := next((voice for voice in self.voices() if voice.consent.consent_id == consent_id), None):
            raise ConflictError(f"The voice {dependent.id} rests on this consent. Delete the voice first.")
        try:
            self._remove(self._consent_folder(consent_id))
        except FileNotFoundError:
            raise unknown_consent(consent_id) from None

    def _voice_folder(self, voice_id: str) -> Path:
        # Only ids that this store makes become paths.
        if not _VOICE_ID.fullmatch(voice_id):
            raise unknown_voice(voice_id)
        return self._voices / voice_id

    def _consent_folder(self, consent_id: str) -> Path:
        if not _CONSENT_ID.fullmatch(consent_id):
            raise unknown_consent(consent_id)
        return self._consents / consent_id

    @contextlib.contextmanager
    def _voice_file(self, voice_id: str, name: str) -> Iterator[Path]:
        try:
            yield self._voice_folder(voice_id) / name
        except FileNotFoundError:
            raise unknown_voice(voice_id) from None

    def _add(self, folder: Path, files: Mapping[str, bytes]) -> None:
        with self._room():
            draft = self._new_folder()
            try:
                for name, content in files.items():
                    _write_durably(draft / name, content)
                draft.rename(folder)
                _sync_folder(folder.parent)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise

    def _remove(self, folder: Path) -> None:
        grave = self._incoming / f"gone-{secrets.token_hex(8)}"
        folder.rename(grave)
        _sync_folder(folder.parent)
        shutil.rmtree(grave, ignore_errors=True)

    def _new_folder(self) -> Path:
        draft = self._incoming / f"new-{secrets.token_hex(8)}"
        draft.mkdir()
        return draft

    @staticmethod
    def _refuse_when_full(folder: Path, limit: int) -> None:
        if sum(1 for _ in os.scandir(folder)) >= limit:
            raise StorageFullError(f"The store holds {limit} {folder.name} and takes no more. Delete some.")

    @staticmethod
    @contextlib.contextmanager
    def _room() -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise StorageFullError("The voice store has no room left, or may not be written.") from error
            raise


def unknown_voice(voice_id: str) -> UnknownVoiceError:
    """The refusal, with how to find a voice that exists."""
    return UnknownVoiceError(
        f"There is no voice {voice_id[:80]!r}. GET /v1/audio/voices lists those that exist.", param="voice"
    )


def unknown_consent(consent_id: str) -> UnknownConsentError:
    """The refusal, with how to find a consent that exists."""
    return UnknownConsentError(
        f"There is no consent {consent_id[:80]!r}. GET /v1/audio/voice_consents lists those that exist.",
        param="consent",
    )


def _npy_bytes(embedding: Embedding) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, embedding, allow_pickle=False)
    return buffer.getvalue()


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
