"""`/v1/audio/voices`: enrol a voice with its consent, list, look at, delete."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request

from timbre_inference.api import Api
from timbre_inference.audio.encode import encode_file
from timbre_inference.audio.formats import AudioFormat
from timbre_inference.errors import MethodNotAllowedError, UnusableValueError
from timbre_inference.logs import request_id
from timbre_inference.paging import page_of
from timbre_inference.routes.references import RECORDING_NAMES, Reference, read_reference
from timbre_inference.schemas import PageQuery, Voice, VoiceCreate, VoiceDeleted, VoicePage
from timbre_inference.speakers import waveform_digest
from timbre_inference.voices import ConsentProof, StoredVoice, new_voice_id


def create_router(api: Api) -> APIRouter:
    """The routes, with what they need."""
    router = APIRouter(tags=["voices"])

    @router.post("/v1/audio/voices")
    async def create_voice(request: Request) -> Voice:
        """Enrol a voice from a recording."""
        async with api.uploads.read(request, RECORDING_NAMES) as upload:
            wish = upload.validate(VoiceCreate)
            proof = await _proof(api, wish)
            reference = await read_reference(api, upload)
        return _wire(await _enrol(api, wish, proof, reference))

    @router.get("/v1/audio/voices")
    async def list_voices(query: Annotated[PageQuery, Query()]) -> VoicePage:
        """Every voice: those of the model first, then those enrolled, oldest first."""
        stored = await api.workers.run(api.store.voices)
        page = page_of([*_builtin(api), *map(_wire, stored)], query)
        return VoicePage(data=page.items, first_id=page.first_id, last_id=page.last_id, has_more=page.has_more)

    @router.get("/v1/audio/voices/{voice_id}")
    async def read_voice(voice_id: str) -> Voice:
        """One voice."""
        builtin = next((voice for voice in _builtin(api) if voice.id == voice_id), None)
        return builtin or _wire(await api.workers.run(api.store.voice, voice_id))

    @router.delete("/v1/audio/voices/{voice_id}")
    async def delete_voice(voice_id: str) -> VoiceDeleted:
        """Forget a voice, its recording included."""
        if voice_id in api.speakers.builtin:
            raise MethodNotAllowedError(
                f"The voice {voice_id!r} is part of the model and cannot be deleted.", allow="GET"
            )
        await api.workers.run(api.store.delete_voice, voice_id)
        return VoiceDeleted(id=voice_id)

    return router


async def _proof(api: Api, wish: VoiceCreate) -> ConsentProof:
    """What allows this enrolment; a recorded consent comes before a written one."""
    now = int(time.time())
    if wish.consent:
        await api.workers.run(api.store.consent, wish.consent)
        return ConsentProof(kind="recording", consent_id=wish.consent, recorded_at=now, request_id=request_id.get())
    statement = wish.consent_statement.strip()
    if not statement:
        raise UnusableValueError(
            "consent: a voice is enrolled with its speaker's consent. Send the id of a consent recording "
            "(POST /v1/audio/voice_consents), or the permission in words as consent_statement.",
            param="consent",
            code="consent_required",
        )
    return ConsentProof(kind="statement", statement=statement, recorded_at=now, request_id=request_id.get())


async def _enrol(api: Api, wish: VoiceCreate, proof: ConsentProof, reference: Reference) -> StoredVoice:
    embedding = await api.speakers.of_reference(reference.waveform)
    rate = api.context.reference_sample_rate
    voice = StoredVoice(
        id=new_voice_id(),
        name=wish.name,
        created_at=int(time.time()),
        reference_digest=await api.workers.run(waveform_digest, reference.waveform),
        speech_seconds=reference.analysis.speech_seconds,
        encoder_id=api.speakers.encoder_id,
        consent=proof,
    )
    recording = await api.workers.run(encode_file, AudioFormat.FLAC, reference.waveform, rate)
    await api.workers.run(api.store.add_voice, voice, recording, embedding)
    return voice


def _wire(voice: StoredVoice) -> Voice:
    return Voice(id=voice.id, name=voice.name, created_at=voice.created_at, consent=voice.consent.consent_id or None)


def _builtin(api: Api) -> list[Voice]:
    return [Voice(id=name, name=name, created_at=api.started_at, builtin=True) for name in api.speakers.builtin]
