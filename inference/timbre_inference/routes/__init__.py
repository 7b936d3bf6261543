"""Every path of the server; each module is one group of them, built from what it needs."""

from __future__ import annotations

from fastapi import APIRouter

from timbre_inference.api import Api
from timbre_inference.routes import clone, consents, embedding, models, speech, studio, voices


def create_router(api: Api) -> APIRouter:
    """All routes."""
    router = APIRouter()
    for group in (speech, clone, voices, consents, embedding, models):
        router.include_router(group.create_router(api))
    router.include_router(studio.create_router())
    return router
