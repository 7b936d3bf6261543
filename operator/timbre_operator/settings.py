"""The operator's own settings, from TIMBRE_OPERATOR_* variables."""

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from timbre_operator.manifests import Defaults


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TIMBRE_OPERATOR_", frozen=True)

    namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    """The only namespaces that are looked at; none means all of them."""
    inference_image: str = "ghcr.io/timbre-speech/timbre-inference:0.1.0"
    inference_image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    ops_port: int = Field(default=9090, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    workers: int = Field(default=8, ge=1, le=64)
    """VoiceModels that are worked on at the same time."""
    resync_seconds: float = Field(default=600.0, gt=0)
    """How often everything is listed again, in case a watch missed something. Reads only."""

    @field_validator("namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @property
    def defaults(self) -> Defaults:
        return Defaults(self.inference_image, self.inference_image_pull_policy)
