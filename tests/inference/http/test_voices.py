"""Enrolment, consents and one-shot cloning, through OpenAI's own client where it reaches."""

from __future__ import annotations

import httpx
import numpy as np
import openai
import pytest

from tests.inference.http.test_bad_requests import assert_refused
from tests.support.http_server import RunningServer, running_server
from tests.support.sounds import recording, silence, video_without_sound
from timbre_inference.audio.formats import AudioFormat

MAN, WOMAN = recording(3.0, pitch=110.0), recording(3.0, pitch=220.0)
SAY = {"model": "tts-1", "input": "The same words.", "response_format": "pcm"}


@pytest.fixture
def consent_id(sdk: openai.OpenAI) -> str:
    consent = sdk.audio.voice_consents.create(name="Ada", language="en-US", recording=("consent.wav", MAN))
    return consent.id


@pytest.fixture
def voice_id(sdk: openai.OpenAI, consent_id: str) -> str:
    return sdk.audio.voices.create(name="Ada", consent=consent_id, audio_sample=("ada.wav", MAN)).id


def speak(http: httpx.Client, voice_id: str) -> np.ndarray:
    answer = http.post("/v1/audio/speech", json={**SAY, "voice": {"id": voice_id}})
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<i2")


def clone(http: httpx.Client, audio: bytes, **fields: str) -> httpx.Response:
    files = {"audio_sample": ("reference", audio)}
    return http.post("/v1/audio/clone", data={**SAY, **fields}, files=files)


def test_a_voice_is_enrolled_spoken_with_and_deleted(sdk: openai.OpenAI, http: httpx.Client, consent_id: str) -> None:
    voice = sdk.audio.voices.create(name="Ada", consent=consent_id, audio_sample=("ada.wav", MAN))
    assert (voice.object, voice.name, voice.type) == ("audio.voice", "Ada", "audio_sample")
    assert voice.created_at > 1_700_000_000
    assert voice.id in [listed["id"] for listed in http.get("/v1/audio/voices?limit=100").json()["data"]]
    assert sdk.audio.speech.create(**SAY, voice={"id": voice.id}).content == speak(http, voice.id).tobytes()

    deleted = sdk.audio.voices.delete(voice.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (voice.id, True, "audio.voice.deleted")
    with pytest.raises(openai.NotFoundError, match="no voice"):
        sdk.audio.voices.delete(voice.id)
    with pytest.raises(openai.NotFoundError, match="no voice"):
        sdk.audio.speech.create(**SAY, voice={"id": voice.id})


def test_two_people_sound_different(http: httpx.Client) -> None:
    man, woman = (np.frombuffer(clone(http, audio).content, "<i2") for audio in (MAN, WOMAN))
    assert len(man) != len(woman) or (man != woman).any()


def test_a_clone_sounds_as_the_enrolled_voice_does(http: httpx.Client, voice_id: str) -> None:
    np.testing.assert_array_equal(np.frombuffer(clone(http, MAN).content, "<i2"), speak(http, voice_id))


def test_a_clone_is_not_kept(http: httpx.Client) -> None:
    before = http.get("/v1/audio/voices?limit=100").json()
    assert clone(http, WOMAN).status_code == 200
    assert http.get("/v1/audio/voices?limit=100").json() == before


@pytest.mark.parametrize("audio_format", [f for f in AudioFormat if f is not AudioFormat.PCM])
def test_a_reference_may_have_any_format(http: httpx.Client, audio_format: AudioFormat) -> None:
    assert clone(http, recording(2.0, audio_format)).status_code == 200


def test_a_voice_needs_consent(http: httpx.Client) -> None:
    answer = http.post("/v1/audio/voices", data={"name": "Eve"}, files={"audio_sample": MAN})
    assert_refused(answer, 422, "consent_required", "consent")
    answer = http.post("/v1/audio/voices", data={"name": "Eve", "consent": "cons_1"}, files={"audio_sample": MAN})
    assert_refused(answer, 404, "voice_consent_not_found", "consent")


def test_consent_may_be_given_in_words_and_is_recorded(http: httpx.Client, server: RunningServer) -> None:
    fields = {"name": "Eve", "consent_statement": "It is my own voice."}
    answer = http.post("/v1/audio/voices", data=fields, files={"file": MAN}, headers={"X-Request-Id": "enrolment-1"})
    proof = server.api.store.voice(answer.json()["id"]).consent
    assert (proof.kind, proof.statement, proof.request_id) == ("statement", "It is my own voice.", "enrolment-1")


def test_a_consent_is_made_read_renamed_listed_and_deleted(sdk: openai.OpenAI) -> None:
    consents = sdk.audio.voice_consents
    consent = consents.create(name="Bob", language="de", recording=("c.mp3", recording(2.0, AudioFormat.MP3)))
    assert (consent.object, consent.name, consent.language) == ("audio.voice_consent", "Bob", "de")
    assert consents.retrieve(consent.id) == consent
    assert consents.update(consent.id, name="Robert").name == "Robert"
    assert consents.retrieve(consent.id).name == "Robert"
    assert consent.id in [listed.id for listed in consents.list(limit=1)]  # The client turns the pages.
    deleted = consents.delete(consent.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (consent.id, True, "audio.voice_consent")
    with pytest.raises(openai.NotFoundError):
        consents.retrieve(consent.id)


def test_a_consent_that_a_voice_rests_on_stays(sdk: openai.OpenAI, consent_id: str, voice_id: str) -> None:
    with pytest.raises(openai.ConflictError, match=voice_id):
        sdk.audio.voice_consents.delete(consent_id)
    sdk.audio.voices.delete(voice_id)
    assert sdk.audio.voice_consents.delete(consent_id).deleted


def test_a_voice_of_the_model_is_listed_and_stays(http: httpx.Client) -> None:
    voices = http.get("/v1/audio/voices").json()["data"]
    assert [voice["id"] for voice in voices[:2]] == ["one", "two"]
    assert http.get("/v1/audio/voices/one").json()["builtin"] is True
    assert_refused(http.delete("/v1/audio/voices/one"), 405, "method_not_allowed", None)


def test_a_listing_comes_in_pages(http: httpx.Client, voice_id: str) -> None:
    first = http.get("/v1/audio/voices", params={"limit": 1}).json()
    assert (first["first_id"], first["last_id"], first["has_more"]) == ("one", "one", True)
    second = http.get("/v1/audio/voices", params={"limit": 100, "after": "one"}).json()
    assert second["data"][0]["id"] == "two"
    assert voice_id in [voice["id"] for voice in second["data"]]
    assert second["has_more"] is False
    assert_refused(http.get("/v1/audio/voices?after=nobody"), 422, "invalid_value", "after")
    assert_refused(http.get("/v1/audio/voices?limit=0"), 422, "invalid_value", "limit")
    assert_refused(http.get("/v1/audio/voices?page=2"), 422, "unknown_parameter", "page")


def test_voices_outlive_the_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("again")
    fields = {"name": "Ada", "consent_statement": "Mine."}
    with running_server(folder) as first, httpx.Client(base_url=first.url, timeout=60) as http:
        voice_id = http.post("/v1/audio/voices", data=fields, files={"file": MAN}).json()["id"]
        before = speak(http, voice_id)
    with running_server(folder) as second, httpx.Client(base_url=second.url, timeout=60) as http:
        np.testing.assert_array_equal(speak(http, voice_id), before)


def test_an_embedding_tells_its_encoder(http: httpx.Client) -> None:
    answer = http.post("/v1/audio/embedding", files={"file": MAN}).json()
    assert answer["encoder"] == "ecapa-tiny"
    assert len(answer["embedding"]) == 192
    assert answer["speech_seconds"] == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize("path", ["/v1/audio/clone", "/v1/audio/voices", "/v1/audio/embedding"])
@pytest.mark.parametrize(
    ("audio", "code"),
    [
        pytest.param(b"", "reference_empty", id="an empty file"),
        pytest.param(silence(3.0), "reference_silent", id="silence"),
        pytest.param(recording(0.4), "reference_too_short", id="too short"),
        pytest.param(recording(31.0), "reference_too_long", id="too long"),
        pytest.param(b"not audio at all " * 99, "reference_not_audio", id="text"),
        pytest.param(video_without_sound(), "reference_not_audio", id="a film without sound"),
    ],
)
def test_a_reference_without_a_voice_is_refused_at_every_door(
    http: httpx.Client, path: str, audio: bytes, code: str
) -> None:
    fields = {
        "/v1/audio/clone": {"input": "Hello."},
        "/v1/audio/voices": {"name": "Eve", "consent_statement": "Mine."},
        "/v1/audio/embedding": {},
    }[path]
    answer = http.post(path, data=fields, files={"file": ("a.wav", audio)})
    assert_refused(answer, 422, code, "file")


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        pytest.param({"input": " "}, 422, "empty_input", "input", id="no text"),
        pytest.param({"speed": "9"}, 422, "invalid_value", "speed", id="too fast"),
        pytest.param({"seed": "x"}, 422, "invalid_value", "seed", id="a seed that is no number"),
        pytest.param({"model": "other"}, 404, "model_not_found", "model", id="another model"),
        pytest.param({"voice": "alloy"}, 422, "unknown_parameter", "voice", id="a voice beside the recording"),
    ],
)
def test_a_clones_fields_are_checked_like_speechs(
    http: httpx.Client, changes: dict[str, str], status: int, code: str, param: str
) -> None:
    assert_refused(clone(http, MAN, **changes), status, code, param)


def test_a_recording_must_be_a_file_in_its_own_field_and_alone(http: httpx.Client) -> None:
    say = {"input": "Hello."}
    missing = http.post("/v1/audio/clone", data=say, files={"a": (None, "b")})
    assert_refused(missing, 422, "missing_required_parameter", "audio_sample")
    text = http.post("/v1/audio/clone", data=say, files={"file": (None, "b")})
    assert_refused(text, 422, "invalid_value", "file")
    elsewhere = http.post("/v1/audio/clone", data=say, files={"song": MAN})
    assert_refused(elsewhere, 422, "unknown_parameter", "song")
    two = http.post("/v1/audio/clone", data=say, files=[("file", MAN), ("audio", MAN)])
    assert_refused(two, 400, "malformed_request", None)
    twice = http.post("/v1/audio/clone", data={"input": ["a", "b"]}, files={"file": MAN})
    assert_refused(twice, 400, "malformed_request", None)


@pytest.mark.parametrize(
    ("media_type", "body", "status", "code"),
    [
        pytest.param("application/json", b"{}", 415, "unsupported_media_type", id="JSON"),
        pytest.param("", b"", 415, "unsupported_media_type", id="nothing"),
        pytest.param("multipart/form-data", b"x", 400, "malformed_request", id="no boundary"),
        pytest.param("multipart/form-data; boundary=a", b"x" * 99, 400, "malformed_request", id="no parts"),
        pytest.param("multipart/form-data; boundary=a", b"--a\r\nbroken", 400, "malformed_request", id="half a part"),
        pytest.param(
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF',
            400,
            "malformed_request",
            id="no end",
        ),
        pytest.param(
            "multipart/form-data; boundary=a; charset=undefined",
            b'--a\r\nContent-Disposition: form-data; name="input"\r\n\r\nhello\r\n--a--\r\n',
            400,
            "malformed_request",
            id="a charset that cannot be",
        ),
    ],
)
def test_a_broken_form_is_refused(http: httpx.Client, media_type: str, body: bytes, status: int, code: str) -> None:
    answer = http.post("/v1/audio/clone", content=body, headers={"Content-Type": media_type})
    assert_refused(answer, status, code, None)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"consent_statement": "Mine."}, "missing_required_parameter", "name"),
        ({"name": "  ", "consent_statement": "Mine."}, "invalid_value", "name"),
        ({"name": "a\x07b", "consent_statement": "Mine."}, "invalid_value", "name"),
        ({"name": "x" * 201, "consent_statement": "Mine."}, "invalid_value", "name"),
        ({"name": "Eve", "type": "prompt", "consent_statement": "Mine."}, "invalid_value", "type"),
    ],
)
def test_a_voices_fields_are_checked(http: httpx.Client, fields: dict[str, str], code: str, param: str) -> None:
    assert_refused(http.post("/v1/audio/voices", data=fields, files={"file": MAN}), 422, code, param)


def test_an_id_is_never_a_path(http: httpx.Client) -> None:
    for odd in ("..", "..%2f..%2fetc", "voice_", "voice_" + "0" * 24, "a" * 5000):
        assert http.get(f"/v1/audio/voices/{odd}").status_code in {404, 405}
        assert http.delete(f"/v1/audio/voices/{odd}").status_code in {404, 405}
        assert http.get(f"/v1/audio/voice_consents/{odd}").status_code in {404, 405}
