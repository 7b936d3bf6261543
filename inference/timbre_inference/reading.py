"""Bodies become values: JSON into a schema, multipart into a recording and a schema."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from timbre_inference.error_handlers import error_from_pydantic
from timbre_inference.errors import (
    BadReferenceError,
    BodyTooLargeError,
    MalformedRequestError,
    OverloadedError,
    UnsupportedMediaTypeError,
    UnusableValueError,
)

MAX_FIELDS = 20
MAX_CONCURRENT_UPLOADS = 32
"""Each may hold a megabyte in memory and the upload limit on disk."""

M = TypeVar("M", bound=BaseModel)


def media_type_of(request: Request) -> str:
    """The content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, schema: type[M], max_bytes: int) -> M:
    """The JSON body as `schema`."""
    media_type = media_type_of(request)
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaTypeError(
            f"{request.url.path} reads application/json, not {media_type or 'a body without content type'}."
        )
    return validate_json(await _read_bytes(request, max_bytes), schema)


def validate_json(body: bytes, schema: type[M]) -> M:
    """`body` as `schema`, or the error that says which field is wrong."""
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        raise error_from_pydantic(error) from None


async def _read_bytes(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise BodyTooLargeError(f"A JSON body here may have {max_bytes} bytes. Send a shorter text.")
    return bytes(body)


@dataclass(frozen=True)
class Upload:
    """A multipart body: one recording, and fields."""

    recording: BinaryIO
    """Large ones lie on disk; closed when the request is over."""
    param: str
    """The field the recording came in."""
    fields: dict[str, str]

    def validate(self, schema: type[M]) -> M:
        """The fields as `schema`."""
        try:
            return schema.model_validate(self.fields)
        except ValidationError as error:
            raise error_from_pydantic(error) from None


class UploadReader:
    """Reads multipart bodies, only so many at a time."""

    def __init__(self, limit: int = MAX_CONCURRENT_UPLOADS) -> None:
        self.limit = limit
        self.in_progress = 0

    @contextlib.asynccontextmanager
    async def read(self, request: Request, recording_names: tuple[str, ...]) -> AsyncIterator[Upload]:
        """The body of `request`, whose recording may have any of the names; it is gone when the block ends."""
        if media_type_of(request) != "multipart/form-data":
            raise UnsupportedMediaTypeError(
                f"{request.url.path} reads multipart/form-data with a recording in the field {recording_names[0]!r}."
            )
        if self.in_progress >= self.limit:
            raise OverloadedError
        self.in_progress += 1
        try:
            form = await _read_form(request)
            try:
                yield upload_of(form, recording_names)
            finally:
                await form.close()
        finally:
            self.in_progress -= 1


class _WholeFormParser(MultiPartParser):
    """Notices the end: Starlette takes a form that was cut off for one with fewer fields."""

    ended = False

    def on_end(self) -> None:
        self.ended = True

    def close_files(self) -> None:
        """Of parts that never ended, which are in no form."""
        for file in self._files_to_close_on_error:
            file.close()


async def _read_form(request: Request) -> FormData:
    parser = _WholeFormParser(request.headers, request.stream(), max_files=1, max_fields=MAX_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise MalformedRequestError(f"The form cannot be read: {error.message}") from error
    except UnicodeError as error:
        raise MalformedRequestError("The form's fields are not text in the charset that it names.") from error
    if not parser.ended:
        parser.close_files()
        raise MalformedRequestError("The form ends in the middle: it was cut off on its way. Send it again.")
    return form


def upload_of(form: FormData, recording_names: tuple[str, ...]) -> Upload:
    """One recording under one of its names, every other field text and there once."""
    fields: dict[str, str] = {}
    recording: tuple[str, UploadFile] | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            recording = (name, value)
        elif name in fields:
            raise MalformedRequestError(f"The field {name!r} is there twice.")
        else:
            fields[name] = value
    return Upload(_recording_file(recording, recording_names, fields), recording[0] if recording else "", fields)


def _recording_file(
    recording: tuple[str, UploadFile] | None, names: tuple[str, ...], fields: dict[str, str]
) -> BinaryIO:
    expected = names[0]
    if recording is None:
        if text_name := next((name for name in names if name in fields), None):
            raise UnusableValueError(f"{text_name}: this is text; attach the recording as a file.", param=text_name)
        raise UnusableValueError(
            f"{expected}: a recording is required.", param=expected, code="missing_required_parameter"
        )
    name, upload = recording
    if name not in names:
        raise UnusableValueError(
            f"{name}: there is no such file field; send the recording as {expected!r}.",
            param=name,
            code="unknown_parameter",
        )
    if not upload.size:
        raise BadReferenceError("The file is empty. Send a recording.", param=name, code="reference_empty")
    return upload.file
