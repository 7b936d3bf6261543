"""`/v1/models`: the one model that is served here."""

from __future__ import annotations

from fastapi import APIRouter

from timbre_inference.api import Api
from timbre_inference.routes.checks import check_model
from timbre_inference.schemas import Model, ModelList


def create_router(api: Api) -> APIRouter:
    """The routes, with what they need."""
    router = APIRouter(tags=["models"])

    @router.get("/v1/models")
    async def list_models() -> ModelList:
        """What `model` may be."""
        return ModelList(data=[_served(api)])

    # A path: model names of other services hold slashes, and theirs deserve a 404 of the right kind too.
    @router.get("/v1/models/{model:path}")
    async def read_model(model: str) -> Model:
        """One model."""
        check_model(api, model)
        return _served(api)

    return router


def _served(api: Api) -> Model:
    return Model(id=api.context.settings.model_name, created=api.started_at)
