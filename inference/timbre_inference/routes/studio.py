"""`GET /`: the studio, three files that need nothing from anywhere else."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, Response

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/studio.css": ("studio.css", "text/css; charset=utf-8"),
    "/studio.js": ("studio.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def create_router() -> APIRouter:
    """One route a file; the files are read once."""
    router = APIRouter(include_in_schema=False)
    for path, (name, media_type) in FILES.items():
        _add_file(router, path, name, media_type)
    return router


def _add_file(router: APIRouter, path: str, name: str, media_type: str) -> None:
    content = resources.files("timbre_inference").joinpath("studio", name).read_bytes()

    async def read_file() -> Response:
        return Response(content, media_type=media_type, headers=HEADERS)

    router.add_api_route(path, read_file, methods=["GET", "HEAD"])
