"""`POST /v1/audio/speech`: text in, speech out, as OpenAI does it."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request

from timbre_inference.api import Api
from timbre_inference.reading import read_json
from timbre_inference.routes.answer import Order, SpokenAnswer
from timbre_inference.routes.checks import check_options, max_json_bytes
from timbre_inference.schemas import SpeechRequest


def create_router(api: Api) -> APIRouter:
    """The route, with what it needs."""
    router = APIRouter(tags=["speech"])

    @router.post("/v1/audio/speech", response_class=SpokenAnswer)
    async def speak(request: Request) -> SpokenAnswer:
        """Speak a text in a voice."""
        wish = await read_json(request, SpeechRequest, max_json_bytes(api))
        check_options(api, wish)
        return SpokenAnswer(api, Order(wish, partial(api.speakers.of_voice, wish.voice_id)))

    return router
