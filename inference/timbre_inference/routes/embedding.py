"""`POST /v1/audio/embedding`: who speaks, as a vector, with the name of the encoder that made it."""

from __future__ import annotations

from fastapi import APIRouter, Request

from timbre_inference.api import Api
from timbre_inference.routes.references import RECORDING_NAMES, read_reference
from timbre_inference.schemas import SpeakerEmbedding, Wire


def create_router(api: Api) -> APIRouter:
    """The route, with what it needs."""
    router = APIRouter(tags=["voices"])

    @router.post("/v1/audio/embedding")
    async def embed(request: Request) -> SpeakerEmbedding:
        """The speaker's embedding of a recording."""
        async with api.uploads.read(request, RECORDING_NAMES) as upload:
            upload.validate(Wire)
            reference = await read_reference(api, upload)
        embedding = await api.speakers.of_reference(reference.waveform)
        return SpeakerEmbedding(
            embedding=[float(value) for value in embedding],
            encoder=api.speakers.encoder_id,
            speech_seconds=reference.analysis.speech_seconds,
        )

    return router
