"""What can go wrong with the API server; the class says what happens next."""


class ApiError(Exception):
    """The API server did not do what it was asked."""


class RetryLaterError(ApiError):
    """Busy, unreachable, or somebody wrote in between: the same request may well succeed in a moment."""

    def __init__(self, message: str, delay: float = 0.0) -> None:
        super().__init__(message)
        self.delay = delay
        """Seconds that the API server asked for (Retry-After); 0 when it did not."""


class RefusedError(ApiError):
    """Invalid or forbidden: becomes a condition, and is tried again only rarely or when the spec changes."""

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass
        """True when something outside the VoiceModel (a quota, a permission) may let it pass later."""


class NotInstalledError(ApiError):
    """The VoiceModel API is not there: the CRD has to be installed first."""
