"""What every route that speaks checks before anything is spent on the request."""

from __future__ import annotations

from timbre_inference.api import Api
from timbre_inference.errors import UnknownModelError
from timbre_inference.schemas import OPENAI_MODELS, SpeechOptions
from timbre_inference.speaking import check_text


def check_options(api: Api, options: SpeechOptions) -> None:
    """Raise for a text or a model that this server cannot speak."""
    check_model(api, options.model)
    check_text(options.input, api.context.settings.max_text_length)


def check_model(api: Api, model: str) -> None:
    """The served model by name, or by one of OpenAI's; "" where a route does not ask for it."""
    served = api.context.settings.model_name
    if model not in ("", served) and not OPENAI_MODELS.fullmatch(model):
        raise UnknownModelError(
            f"The model {model[:80]!r} is not served here; {served!r} is. GET /v1/models lists it.", param="model"
        )


def max_json_bytes(api: Api) -> int:
    """A text of full length, every character escaped as a surrogate pair, twice (input, instructions), and the rest."""
    return 24 * api.context.settings.max_text_length + 65_536
