"""The HTTP half put together: services that the routes share, and their place in an application.

api = open_api(context)      # may raise SettingsError: the store or the keys cannot be used
install(app, api)            # error handlers, middleware, routes
api.close()                  # when the application has stopped
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from timbre_inference.auth import ApiKeys
from timbre_inference.context import ServerContext
from timbre_inference.error_handlers import install_error_handlers
from timbre_inference.middleware import ApiKeyMiddleware, BodyLimitMiddleware, RequestScopeMiddleware
from timbre_inference.reading import UploadReader
from timbre_inference.settings import SettingsError
from timbre_inference.speakers import CACHED_EMBEDDINGS, EmbeddingCache, Speakers
from timbre_inference.speaking import SpeechMaker
from timbre_inference.voices import VoiceStore, VoiceStoreError, store_root
from timbre_inference.workers import Workers

MAX_WAITING_CALLS = 512
"""Blocking calls that may wait for a thread: each holds one request's text or recording."""


@dataclass(frozen=True)
class Api:
    """What the routes use."""

    context: ServerContext
    workers: Workers
    store: VoiceStore
    speakers: Speakers
    maker: SpeechMaker
    uploads: UploadReader
    keys: ApiKeys | None
    started_at: int
    """Unix seconds; what `created` says of what came with the server."""

    def close(self) -> None:
        """Let the threads go."""
        self.workers.close()


def open_api(context: ServerContext) -> Api:
    """Open the voice store and read the keys; SettingsError says what is wrong with either."""
    workers = Workers(worker_threads(), MAX_WAITING_CALLS)
    store = _open_store(context.settings.voice_store_url)
    return Api(
        context=context,
        workers=workers,
        store=store,
        speakers=_speakers(context, store, workers),
        maker=SpeechMaker(context.batcher, context.tokenizer, workers, context.bundle.manifest.sample_rate),
        uploads=UploadReader(),
        keys=_load_keys(context.settings.api_keys_file),
        started_at=int(time.time()),
    )


def install(app: FastAPI, api: Api) -> None:
    """Everything that answers HTTP."""
    # Imported here: the routes import `Api` from this module.
    from timbre_inference.routes import create_router

    app.state.api = api
    # A redirect would carry http:// and this pod's idea of its own name to clients behind a proxy.
    app.router.redirect_slashes = False
    install_error_handlers(app)
    app.include_router(create_router(api))
    settings = api.context.settings
    # Starlette runs the middleware added last first.
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_upload_bytes, seconds=settings.request_timeout)
    if api.keys is not None:
        app.add_middleware(ApiKeyMiddleware, keys=api.keys)
    app.add_middleware(RequestScopeMiddleware, metrics=api.context.metrics, draining=api.context.draining)


def worker_threads() -> int:
    """Enough that one slow disk does not hold up the rest; codecs release the GIL."""
    return min(16, (os.cpu_count() or 1) + 2)


def _open_store(url: str) -> VoiceStore:
    try:
        store = VoiceStore(store_root(url))
        store.open()
    except VoiceStoreError as error:
        raise SettingsError(f"TIMBRE_VOICE_STORE_URL: {error}") from error
    except OSError as error:
        raise SettingsError(f"TIMBRE_VOICE_STORE_URL={url} cannot be written: {error.strerror}.") from error
    return store


def _load_keys(path: str) -> ApiKeys | None:
    if not path:
        return None
    keys = ApiKeys(Path(path))
    try:
        keys.load()
    except (OSError, ValueError) as error:
        raise SettingsError(f"TIMBRE_API_KEYS_FILE={path}: {error}") from error
    return keys


def _speakers(context: ServerContext, store: VoiceStore, workers: Workers) -> Speakers:
    manifest = context.bundle.manifest
    return Speakers(
        context.bundle.voices,
        manifest.default_voice,
        store,
        workers,
        context.batcher.embed,
        EmbeddingCache(CACHED_EMBEDDINGS, context.metrics),
        manifest.encoder_id,
        context.reference_sample_rate,
    )
