"""What every route may use, made once at start and kept at `app.state.context`."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from timbre_inference.batcher import Batcher
from timbre_inference.metrics import Metrics
from timbre_inference.settings import Settings

if TYPE_CHECKING:
    from timbre_inference.bundle import Bundle
    from timbre_inference.text import Tokenizer


@dataclass(frozen=True)
class ServerContext:
    """Immutable; what changes while the server runs lives inside its parts."""

    settings: Settings
    bundle: Bundle
    tokenizer: Tokenizer
    batcher: Batcher
    metrics: Metrics
    reference_sample_rate: int
    """What `batcher.embed` wants."""
    draining: threading.Event = field(default_factory=threading.Event)
    """Set from SIGTERM on: responses say `Connection: close` (the middleware does it), streams go on."""
