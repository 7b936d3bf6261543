"""`/v1/audio/voice_consents`: recordings in which speakers permit the use of their voices."""

from __future__ import annotations

import hashlib
import time
from typing import Annotated

from fastapi import APIRouter, Query, Request

from timbre_inference.api import Api
from timbre_inference.audio.decode import DecodeLimits
from timbre_inference.paging import page_of
from timbre_inference.reading import Upload, read_json
from timbre_inference.routes.references import usable_reference
from timbre_inference.schemas import (
    ConsentCreate,
    ConsentUpdate,
    PageQuery,
    VoiceConsent,
    VoiceConsentDeleted,
    VoiceConsentPage,
)
from timbre_inference.voices import StoredConsent, new_consent_id

MAX_CONSENT_SECONDS = 120.0
MAX_JSON_BYTES = 65_536


def create_router(api: Api) -> APIRouter:
    """The routes, with what they need."""
    router = APIRouter(tags=["voice consents"])

    @router.post("/v1/audio/voice_consents")
    async def create_consent(request: Request) -> VoiceConsent:
        """Keep a consent recording."""
        async with api.uploads.read(request, ("recording", "file")) as upload:
            wish = upload.validate(ConsentCreate)
            recording = await api.workers.run(_checked_recording, upload, api.context.reference_sample_rate)
        consent = StoredConsent(
            id=new_consent_id(),
            name=wish.name,
            language=wish.language,
            created_at=int(time.time()),
            recording_digest=hashlib.sha256(recording).hexdigest(),
        )
        await api.workers.run(api.store.add_consent, consent, recording)
        return _wire(consent)

    @router.get("/v1/audio/voice_consents")
    async def list_consents(query: Annotated[PageQuery, Query()]) -> VoiceConsentPage:
        """Every consent, oldest first."""
        page = page_of([_wire(consent) for consent in await api.workers.run(api.store.consents)], query)
        return VoiceConsentPage(data=page.items, first_id=page.first_id, last_id=page.last_id, has_more=page.has_more)

    @router.get("/v1/audio/voice_consents/{consent_id}")
    async def read_consent(consent_id: str) -> VoiceConsent:
        """One consent."""
        return _wire(await api.workers.run(api.store.consent, consent_id))

    @router.post("/v1/audio/voice_consents/{consent_id}")
    async def update_consent(consent_id: str, request: Request) -> VoiceConsent:
        """Change a consent's label."""
        wish = await read_json(request, ConsentUpdate, MAX_JSON_BYTES)
        return _wire(await api.workers.run(api.store.rename_consent, consent_id, wish.name))

    @router.delete("/v1/audio/voice_consents/{consent_id}")
    async def delete_consent(consent_id: str) -> VoiceConsentDeleted:
        """Forget a consent that no voice rests on."""
        await api.workers.run(api.store.delete_consent, consent_id)
        return VoiceConsentDeleted(id=consent_id)

    return router


def _checked_recording(upload: Upload, sample_rate: int) -> bytes:
    """The recording as it was sent, once somebody is heard on it."""
    usable_reference(upload.recording, DecodeLimits(sample_rate, MAX_CONSENT_SECONDS), upload.param)
    upload.recording.seek(0)
    return upload.recording.read()


def _wire(consent: StoredConsent) -> VoiceConsent:
    return VoiceConsent(id=consent.id, name=consent.name, language=consent.language, created_at=consent.created_at)
