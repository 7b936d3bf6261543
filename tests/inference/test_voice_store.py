from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import numpy as np
import pytest

from timbre_inference import voices as voices_module
from timbre_inference.errors import ConflictError, OverloadedError, StorageFullError, UnknownVoiceError
from timbre_inference.metrics import Metrics
from timbre_inference.paging import page_of
from timbre_inference.schemas import PageQuery
from timbre_inference.speakers import EmbeddingCache
from timbre_inference.voices import (
    ConsentProof,
    StoredConsent,
    StoredVoice,
    VoiceStore,
    VoiceStoreError,
    new_consent_id,
    new_voice_id,
    store_root,
)
from timbre_inference.workers import Workers

EMBEDDING = np.arange(4, dtype=np.float32)


def stored(name: str = "Ada", *, created_at: int = 1, consent_id: str = "") -> StoredVoice:
    proof = ConsentProof(kind="recording", consent_id=consent_id, recorded_at=1, request_id="r")
    return StoredVoice(
        id=new_voice_id(), name=name, created_at=created_at, reference_digest="0" * 64, speech_seconds=3.0,
        encoder_id="e", consent=proof,
    )  # fmt: skip


def consent() -> StoredConsent:
    return StoredConsent(id=new_consent_id(), name="Ada", language="en", created_at=1, recording_digest="0" * 64)


@pytest.fixture
def store(tmp_path: Path) -> VoiceStore:
    opened = VoiceStore(tmp_path / "store")
    opened.open()
    return opened


@pytest.mark.parametrize(
    ("url", "path"),
    [("file:///a/b", "/a/b"), ("file://localhost/a", "/a"), ("file:///a%20b", "/a b")],
)
def test_a_url_names_a_folder(url: str, path: str) -> None:
    assert store_root(url) == Path(path)


@pytest.mark.parametrize("url", ["s3://bucket/x", "/a/b", "file://a/b", "file:a", ""])
def test_any_other_url_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(VoiceStoreError, match="file:///"):
        store_root(url)


def test_a_voice_comes_back_as_it_went_in(store: VoiceStore) -> None:
    voice = stored()
    store.add_voice(voice, b"flac", EMBEDDING)
    assert store.voice(voice.id) == voice
    assert store.reference(voice.id) == b"flac"
    np.testing.assert_array_equal(store.embedding(voice.id), EMBEDDING)


def test_voices_are_listed_oldest_first(store: VoiceStore) -> None:
    for created_at in (3, 1, 2):
        store.add_voice(stored(created_at=created_at), b"", EMBEDDING)
    assert [voice.created_at for voice in store.voices()] == [1, 2, 3]


def test_a_second_store_on_the_same_folder_sees_the_same_voices(store: VoiceStore, tmp_path: Path) -> None:
    other = VoiceStore(tmp_path / "store")
    other.open()
    voice = stored()
    store.add_voice(voice, b"", EMBEDDING)
    other.delete_voice(voice.id)
    with pytest.raises(UnknownVoiceError):
        store.voice(voice.id)
    assert store.voices() == []


def test_a_write_that_fails_half_way_leaves_nothing(
    store: VoiceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fsync = os.fsync
    calls: list[int] = []

    def full_disk(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StorageFullError):
        store.add_voice(stored(), b"flac", EMBEDDING)
    assert store.voices() == []
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


def test_what_a_crash_left_is_cleared_when_it_is_old(store: VoiceStore, tmp_path: Path) -> None:
    old, fresh = (tmp_path / "store" / "incoming" / name for name in ("new-old", "new-fresh"))
    for folder in (old, fresh):
        folder.mkdir()
        (folder / "voice.json").write_text("{")
    os.utime(old, (0, 0))
    store.open()
    assert (old.exists(), fresh.exists()) == (False, True)
    assert store.voices() == []


def test_a_store_that_is_full_says_so(store: VoiceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices_module, "MAX_VOICES", 1)
    store.add_voice(stored(), b"", EMBEDDING)
    with pytest.raises(StorageFullError, match="Delete some"):
        store.add_voice(stored(), b"", EMBEDDING)


@pytest.mark.parametrize("odd", ["", ".", "..", "../voices", "voice_ABC", "voice_" + "0" * 24 + "/..", "/etc/passwd"])
def test_only_ids_of_the_store_become_paths(store: VoiceStore, odd: str) -> None:
    for ask in (store.voice, store.embedding, store.reference, store.delete_voice):
        with pytest.raises(UnknownVoiceError):
            ask(odd)


def test_a_consent_stays_while_a_voice_rests_on_it(store: VoiceStore) -> None:
    given = consent()
    store.add_consent(given, b"recording")
    voice = stored(consent_id=given.id)
    store.add_voice(voice, b"", EMBEDDING)
    with pytest.raises(ConflictError, match=voice.id):
        store.delete_consent(given.id)
    store.delete_voice(voice.id)
    store.delete_consent(given.id)
    assert store.consents() == []


def test_a_consent_is_renamed_in_one_step(store: VoiceStore, tmp_path: Path) -> None:
    given = consent()
    store.add_consent(given, b"recording")
    assert store.rename_consent(given.id, "Bob").name == "Bob"
    assert [kept.name for kept in store.consents()] == ["Bob"]
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("after", "limit", "expected", "more"),
    [("", 2, ["1", "2"], True), ("2", 2, ["3", "4"], True), ("4", 2, ["5"], False), ("5", 2, [], False)],
)
def test_a_listing_is_cut_into_pages(after: str, limit: int, expected: list[str], more: bool) -> None:
    voices = [stored().model_copy(update={"id": str(number)}) for number in range(1, 6)]
    page = page_of(voices, PageQuery(after=after, limit=limit))
    assert ([voice.id for voice in page.items], page.has_more) == (expected, more)


def test_the_embedding_cache_forgets_what_was_used_longest_ago() -> None:
    cache = EmbeddingCache(2, Metrics())
    cache.put("a", EMBEDDING)
    cache.put("b", EMBEDDING)
    assert cache.get("a") is not None
    cache.put("c", EMBEDDING)
    assert [cache.get(digest) is not None for digest in "abc"] == [True, False, True]


async def test_one_call_more_than_the_pool_holds_is_refused() -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    workers = Workers(threads=1, max_waiting=1)

    def hold() -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(20)

    calls = [asyncio.create_task(workers.run(hold)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await workers.run(hold)
    release.set()
    await asyncio.gather(*calls)
    assert await workers.run(lambda: 5) == 5
    workers.close()
