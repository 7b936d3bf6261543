"""The API application: every route of the HTTP half over one model that is loaded already."""

from __future__ import annotations

from fastapi import FastAPI

from timbre_inference.api import Api, install


def create_app(api: Api) -> FastAPI:
    """No docs pages: they load their scripts from the internet, which a cluster may not reach."""
    app = FastAPI(title="Timbre", docs_url=None, redoc_url=None)
    app.state.context = api.context
    install(app, api)
    return app
