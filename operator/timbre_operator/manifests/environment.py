"""The pod contract, this side of it: TIMBRE_* variables. What a spec leaves out, the server's own default decides."""

from timbre_operator.names import HTTP_PORT, OPS_PORT, Manifest
from timbre_operator.voicemodel import VoiceModel

CACHE_FOLDER = "/var/lib/timbre"
API_KEYS_FOLDER = "/etc/timbre/api-keys"
BUNDLE_FOLDER = "/var/lib/timbre-bundle"

Setting = str | int | float | bool


def environment(voicemodel: VoiceModel) -> list[Manifest]:
    given = {name: value for name, value in settings(voicemodel).items() if value is not None}
    return [{"name": f"TIMBRE_{name}", "value": as_text(value)} for name, value in given.items()]


def settings(voicemodel: VoiceModel) -> dict[str, Setting | None]:
    spec = voicemodel.spec
    return {
        "MODEL_NAME": voicemodel.name,
        "MODEL_SOURCE": model_source(voicemodel),
        "MODEL_DIGEST": spec.model.digest or None,
        "CACHE_DIR": CACHE_FOLDER,
        "DEVICE": spec.device,
        "PRECISION": spec.runtime.precision,
        "COMPILE": spec.runtime.compile,
        # Always written: the autoscaler's target is derived from it, and the two must not drift.
        "MAX_BATCH_SIZE": spec.batching.max_batch_size,
        "MAX_BATCH_FRAMES": spec.batching.max_batch_frames,
        "MAX_QUEUE_DELAY": spec.batching.max_queue_delay,
        "MAX_WAITING": spec.batching.max_waiting,
        "MAX_TEXT_LENGTH": spec.limits.max_text_length,
        "MAX_REFERENCE_SECONDS": spec.limits.max_reference_seconds,
        "MAX_UPLOAD_BYTES": spec.limits.max_upload_bytes,
        "REQUEST_TIMEOUT": spec.limits.request_timeout,
        # Always written: the pod's grace period is derived from it.
        "DRAIN_GRACE_PERIOD": spec.drain_seconds,
        "API_KEYS_FILE": api_keys_file(voicemodel),
        "HTTP_PORT": HTTP_PORT,
        "OPS_PORT": OPS_PORT,
    }


def model_source(voicemodel: VoiceModel) -> str:
    claim = voicemodel.spec.model.claim
    if claim is None:
        return voicemodel.spec.model.source
    return f"file://{BUNDLE_FOLDER}/{claim[1]}".rstrip("/")


def api_keys_file(voicemodel: VoiceModel) -> str | None:
    auth = voicemodel.spec.auth
    return f"{API_KEYS_FOLDER}/{auth.api_keys_secret_ref.key}" if auth else None


def as_text(value: Setting) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
