"""What the pod is told, as environment variables `TIMBRE_*`: one frozen object, checked at start."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX = "TIMBRE_"

NOT_OURS = ("TIMBRE_BUILTIN_DIR", "TIMBRE_OPERATOR_")
"""Read by other parts of Timbre, or meant for the operator."""

FRAMES_BY_DEVICE = {"cuda": 16_000, "cpu": 4_000}

CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")

SERVICE_LINK_NAME = re.compile(
    r"^TIMBRE_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$"
)
SERVICE_LINK_VALUE = re.compile(r"^(tcp|udp|sctp)://", re.IGNORECASE)


class SettingsError(Exception):
    """The environment does not describe a server; the message says what to change. Exit code 64."""


class Settings(BaseSettings):
    """Durations are seconds, sizes bytes."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    model_name: str = Field(default="timbre-en", min_length=1)
    """The VoiceModel's name, the id that /v1/models lists."""
    model_source: str = Field(default="builtin://timbre-en", min_length=1)
    model_digest: str = Field(default="", pattern=r"^(sha256:[0-9a-f]{64})?$")
    cache_dir: str = "/var/lib/timbre"

    device: Literal["auto", "cuda", "cpu"] = "auto"
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    compile: bool = False
    threads: int = Field(default=0, ge=0)
    """CPU threads of the model; 0 takes them from the cgroup's quota."""

    max_batch_size: int = Field(default=16, ge=1, le=1024)
    max_batch_frames: int = Field(default=0, ge=0)
    """rows * longest of one batch, in spectrogram frames; 0 takes the device's default."""
    max_queue_delay: float = Field(default=0.02, ge=0, le=5)
    max_waiting: int = Field(default=256, ge=1)
    """Sentences that may wait; one more is a 429."""

    max_text_length: int = Field(default=4096, ge=1)
    max_reference_seconds: float = Field(default=30, gt=0)
    max_upload_bytes: int = Field(default=26_214_400, ge=1)
    request_timeout: float = Field(default=120, gt=0)
    drain_grace_period: float = Field(default=60, ge=0)
    stuck_after: float = Field(default=120, gt=0)
    """/livez fails when the event loop or one batch makes no progress for this long."""

    api_keys_file: str = ""
    voice_store_url: str = "file:///var/lib/timbre/voices"
    voices_file: str = ""

    host: str = "0.0.0.0"  # noqa: S104 - a pod's address is known only when it runs
    http_port: int = Field(default=8000, ge=0, le=65535)
    """0 lets the kernel choose; the log line "serving" says which."""
    ops_port: int = Field(default=9090, ge=0, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    termination_log: str = "/dev/termination-log"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings names its arguments
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment; never a .env file that happens to lie around."""
        return init_settings, _EnvironmentWithoutServiceLinks(settings_cls)

    @model_validator(mode="after")
    def _check_ports_differ(self) -> Self:
        if self.http_port == self.ops_port != 0:
            raise ValueError("TIMBRE_HTTP_PORT and TIMBRE_OPS_PORT must differ: probes have a port of their own")
        return self

    def frame_budget(self, device: str) -> int:
        """max_batch_frames, or what suits the device that was found."""
        return self.max_batch_frames or FRAMES_BY_DEVICE.get(device, FRAMES_BY_DEVICE["cpu"])

    def masked(self) -> dict[str, Any]:
        """For the log: user and password are taken out of URLs."""
        return {
            name: CREDENTIALS.sub("***@", value) if isinstance(value, str) else value
            for name, value in self.model_dump().items()
        }


class _EnvironmentWithoutServiceLinks(EnvSettingsSource):
    """Kubernetes sets TIMBRE_HTTP_PORT=tcp://10.0.0.1:80 for a Service named timbre-http: not a setting."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        variables = super()._load_env_vars()
        return {name: value for name, value in variables.items() if not SERVICE_LINK_VALUE.match(value or "")}


def load_settings() -> Settings:
    """Read and check the environment; SettingsError names every variable that is wrong."""
    refuse_unknown(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from error


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """A misspelt setting would silently be the default."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    unknown = sorted(
        name
        for name, value in environment.items()
        if name.upper().startswith(PREFIX)
        and name.upper() not in known
        and not name.startswith(NOT_OURS)
        and not is_service_link(name, value)
    )
    if unknown:
        raise SettingsError(" ".join(_unknown_sentence(name, known) for name in unknown))


def is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes injected this variable for a Service of the namespace."""
    return bool(SERVICE_LINK_NAME.match(name) or SERVICE_LINK_VALUE.match(value))


def _unknown_sentence(name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name.upper(), known, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else "."
    return f"{name} is not a setting of this server{hint}"


def _sentence(error: ValidationError) -> str:
    problems = []
    for problem in error.errors():
        field = "_".join(str(part) for part in problem["loc"][:1])
        if field:
            problems.append(f"{PREFIX}{field.upper()}={problem['input']!r}: {problem['msg']}.")
        else:
            problems.append(f"{problem['msg']}.")
    return " ".join(problems)
