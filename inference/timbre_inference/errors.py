"""What can go wrong with a request, each kind one class whose attributes are its consequence.

    TimbreError                       status  type                   code
    ├── RequestError                          the client can put it right
    │   ├── MalformedRequestError     400     invalid_request_error  malformed_request
    │   ├── AuthenticationError       401     invalid_request_error  invalid_api_key
    │   ├── NotFoundError             404     invalid_request_error  not_found
    │   │   ├── UnknownModelError     404     invalid_request_error  model_not_found
    │   │   ├── UnknownVoiceError     404     invalid_request_error  voice_not_found
    │   │   └── UnknownConsentError   404     invalid_request_error  voice_consent_not_found
    │   ├── MethodNotAllowedError     405     invalid_request_error  method_not_allowed
    │   ├── UploadTimeoutError        408     invalid_request_error  upload_timeout
    │   ├── ConflictError             409     invalid_request_error  conflict
    │   ├── BodyTooLargeError         413     invalid_request_error  request_too_large
    │   ├── UnsupportedMediaTypeError 415     invalid_request_error  unsupported_media_type
    │   └── UnusableValueError        422     invalid_request_error  invalid_value
    │       ├── BadTextError          422     invalid_request_error  unspeakable_input
    │       ├── JobTooLargeError      422     invalid_request_error  input_too_long
    │       └── BadReferenceError     422     invalid_request_error  its own: reference_silent, …
    └── ServiceError                          the client can only try again
        ├── OverloadedError           429     rate_limit_error       overloaded
        ├── DrainingError             503     server_error           draining
        ├── DeadlineExceededError     504     server_error           deadline_exceeded
        ├── StorageFullError          507     server_error           voice_store_full
        └── InternalError             500     server_error           internal_error

400 is a request that could not be read, 422 one that was read but holds a value that cannot be used.
Nothing here knows about HTTP libraries: `error_handlers` turns these into responses.
"""

from __future__ import annotations

import math


class TimbreError(Exception):
    """A failure that a client is told about; `str(error)` is the sentence it reads."""

    status: int = 500
    type: str = "server_error"
    code: str = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to this failure."""
        return {}

    def payload(self) -> dict[str, dict[str, str | None]]:
        """The body, as OpenAI's clients read it."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class RequestError(TimbreError):
    """The request is at fault; repeating it unchanged fails again."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


class MalformedRequestError(RequestError):
    """The body is not what its content type says: broken JSON, broken multipart."""

    code = "malformed_request"


class AuthenticationError(RequestError):
    """No API key, or one that is not on the list."""

    status = 401
    code = "invalid_api_key"

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class NotFoundError(RequestError):
    """No such path or object."""

    status = 404
    code = "not_found"


class UnknownModelError(NotFoundError):
    """This pod serves one model, and it is not the one that was asked for."""

    code = "model_not_found"


class UnknownVoiceError(NotFoundError):
    """No voice has that id, name or alias."""

    code = "voice_not_found"


class UnknownConsentError(NotFoundError):
    """No consent recording has that id."""

    code = "voice_consent_not_found"


class MethodNotAllowedError(RequestError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str = "") -> None:
        super().__init__(message)
        self.allow = allow

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": self.allow} if self.allow else {}


class UploadTimeoutError(RequestError):
    """The body arrived too slowly, or less of it than Content-Length promised."""

    status = 408
    code = "upload_timeout"


class ConflictError(RequestError):
    """The object is in use, so the change is refused."""

    status = 409
    code = "conflict"

    @property
    def headers(self) -> dict[str, str]:
        # OpenAI's clients repeat a 409 unless they are told not to.
        return {"X-Should-Retry": "false"}


class BodyTooLargeError(RequestError):
    """The body is larger than the limit, by its own Content-Length or by the bytes counted."""

    status = 413
    code = "request_too_large"


class UnsupportedMediaTypeError(RequestError):
    """The route reads another content type."""

    status = 415
    code = "unsupported_media_type"


class UnusableValueError(RequestError):
    """The request was read, but a value in it cannot be used."""

    status = 422
    code = "invalid_value"


class BadTextError(UnusableValueError):
    """There is nothing in the text that can be spoken."""

    code = "unspeakable_input"

    def __init__(self, message: str, *, param: str | None = "input", code: str | None = None) -> None:
        super().__init__(message, param=param, code=code)


class JobTooLargeError(UnusableValueError):
    """One sentence is more than a whole batch may hold."""

    code = "input_too_long"

    def __init__(self, message: str, *, param: str | None = "input") -> None:
        super().__init__(message, param=param)


class BadReferenceError(UnusableValueError):
    """No voice can be taken from the reference audio; `code` says why."""

    code = "reference_unusable"


class ServiceError(TimbreError):
    """The service is at fault, or busy; the same request may succeed later."""


class OverloadedError(ServiceError):
    """The queue is full; `retry_after` is in seconds."""

    status = 429
    type = "rate_limit_error"
    code = "overloaded"

    def __init__(self, message: str = "", *, retry_after: float = 1.0) -> None:
        self.retry_after = max(1, math.ceil(retry_after))
        super().__init__(
            message or f"The server has as much work waiting as it may hold. Try again in {self.retry_after} s."
        )

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class DrainingError(ServiceError):
    """This pod is going away; another one will answer."""

    status = 503
    code = "draining"

    def __init__(self, message: str = "This server is shutting down. Try again: another one will answer.") -> None:
        super().__init__(message)

    @property
    def headers(self) -> dict[str, str]:
        # The retry must open a new connection, or it meets the same pod again.
        return {"Retry-After": "1", "Connection": "close"}


class DeadlineExceededError(ServiceError):
    """The request's time ran out before its sound was ready."""

    status = 504
    code = "deadline_exceeded"

    def __init__(self, message: str = "The request took longer than the server allows. Try a shorter text.") -> None:
        super().__init__(message)


class StorageFullError(ServiceError):
    """The voice store cannot take another object."""

    status = 507
    code = "voice_store_full"


class InternalError(ServiceError):
    """A failure that is nobody's business but the operator's: the log has it, the client has the request id."""

    def __init__(self, message: str = "The server failed while it worked on this request. Try again.") -> None:
        super().__init__(message)
