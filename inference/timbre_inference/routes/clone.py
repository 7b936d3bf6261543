"""`POST /v1/audio/clone`: a recording and a text in, the text in that voice out; nothing is kept."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request

from timbre_inference.api import Api
from timbre_inference.routes.answer import Order, SpokenAnswer
from timbre_inference.routes.checks import check_options
from timbre_inference.routes.references import RECORDING_NAMES, read_reference
from timbre_inference.schemas import CloneRequest


def create_router(api: Api) -> APIRouter:
    """The route, with what it needs."""
    router = APIRouter(tags=["speech"])

    @router.post("/v1/audio/clone", response_class=SpokenAnswer)
    async def clone(request: Request) -> SpokenAnswer:
        """Speak a text in the voice of a recording."""
        async with api.uploads.read(request, RECORDING_NAMES) as upload:
            wish = upload.validate(CloneRequest)
            check_options(api, wish)
            reference = await read_reference(api, upload)
        return SpokenAnswer(api, Order(wish, partial(api.speakers.of_reference, reference.waveform)))

    return router
