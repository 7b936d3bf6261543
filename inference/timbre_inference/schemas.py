"""What travels over HTTP, spelt as OpenAI spells it. Unknown fields are errors, as they are there."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from timbre_inference.audio.formats import AudioFormat

MAX_SEED = 2**32 - 1
OPENAI_VOICES = frozenset(
    "alloy ash ballad cedar coral echo fable marin nova onyx sage shimmer verse".split()  # noqa: SIM905 - a list of names
)
"""Names that OpenAI's clients send by default; each means the bundle's default voice."""
OPENAI_MODELS = re.compile(r"^(tts-1(-hd)?|gpt-4o-mini-tts)(-\d{4}(-\d{2}-\d{2})?)?$")
"""Names that OpenAI's clients send by default; each means the model that is served."""


class StreamFormat(StrEnum):
    """`audio` streams the file's bytes, `sse` streams them as events."""

    AUDIO = "audio"
    SSE = "sse"


def _name(value: str) -> str:
    stripped = value.strip()
    if not stripped or not stripped.isprintable():
        raise ValueError("a name needs at least one visible character, and no control characters")
    return stripped


Name = Annotated[str, Field(max_length=200), AfterValidator(_name)]
LanguageTag = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
"""BCP 47, such as en-US."""


class Wire(BaseModel):
    """Base of everything that is read from a client."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class VoiceReference(Wire):
    """A voice by its id, as an object."""

    id: str = Field(min_length=1, max_length=200)


class SpeechOptions(Wire):
    """How to speak; the same for every route that does."""

    input: str
    """Its length limit is a setting of the server, so the route checks it."""
    model: str = Field(default="", max_length=200)
    response_format: AudioFormat = AudioFormat.MP3
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: StreamFormat = StreamFormat.AUDIO
    instructions: str = ""
    """Accepted because OpenAI's clients send it; the model takes no directions."""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    """Ours: another seed is another take; the same seed is the same sound."""


class SpeechRequest(SpeechOptions):
    """`POST /v1/audio/speech`."""

    model: str = Field(min_length=1, max_length=200)
    voice: Annotated[str, Field(min_length=1, max_length=200)] | VoiceReference

    @property
    def voice_id(self) -> str:
        return self.voice if isinstance(self.voice, str) else self.voice.id


class CloneRequest(SpeechOptions):
    """The fields beside the recording in `POST /v1/audio/clone`."""


class VoiceCreate(Wire):
    """The fields beside the recording in `POST /v1/audio/voices`."""

    name: Name
    type: Literal["audio_sample"] = "audio_sample"
    consent: str = Field(default="", max_length=200)
    """The id of a consent recording."""
    consent_statement: str = Field(default="", max_length=2000)
    """Ours: the speaker's permission in written words, where there is no recording of it."""


class ConsentCreate(Wire):
    """The fields beside the recording in `POST /v1/audio/voice_consents`."""

    name: Name
    language: LanguageTag


class ConsentUpdate(Wire):
    """`POST /v1/audio/voice_consents/{id}`."""

    name: Name


class PageQuery(Wire):
    """Query parameters of a listing."""

    after: str = Field(default="", max_length=200)
    limit: int = Field(default=20, ge=1, le=100)


class Voice(BaseModel):
    """One voice that can be spoken in."""

    id: str
    object: Literal["audio.voice"] = "audio.voice"
    created_at: int
    name: str
    type: Literal["audio_sample"] = "audio_sample"
    consent: str | None = None
    """The consent recording's id, where there is one."""
    builtin: bool = False
    """Part of the model: cannot be deleted."""


class VoiceDeleted(BaseModel):
    id: str
    object: Literal["audio.voice.deleted"] = "audio.voice.deleted"
    deleted: bool = True


class VoiceConsent(BaseModel):
    """A recording in which a speaker permits the use of the voice."""

    id: str
    object: Literal["audio.voice_consent"] = "audio.voice_consent"
    created_at: int
    name: str
    language: str


class VoiceConsentDeleted(BaseModel):
    id: str
    object: Literal["audio.voice_consent"] = "audio.voice_consent"
    deleted: bool = True


class Model(BaseModel):
    """What `model` may be."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "timbre"


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


class VoicePage(BaseModel):
    object: Literal["list"] = "list"
    data: list[Voice]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VoiceConsentPage(BaseModel):
    object: Literal["list"] = "list"
    data: list[VoiceConsent]
    first_id: str | None
    last_id: str | None
    has_more: bool


class SpeakerEmbedding(BaseModel):
    """`POST /v1/audio/embedding`: comparable only with embeddings of the same encoder."""

    object: Literal["audio.embedding"] = "audio.embedding"
    embedding: list[float]
    encoder: str
    speech_seconds: float
