"""What Prometheus scrapes: one registry, made once, every name and label in one place."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SHORT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
ROWS = (1, 2, 4, 8, 12, 16, 24, 32, 64, 128)

STAGES = ("plan", "decode", "embed")
REJECTIONS = ("overloaded", "draining", "too_large", "embed_overloaded")
CANCELLATIONS = ("queued", "running", "expired")


class Metrics:
    """Labels come from closed sets only: a route's template, never a path; an outcome, never a message."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("timbre_requests_total", "Requests answered", ["route", "outcome"], registry=registry)
        self.queue_depth = Gauge("timbre_queue_depth", "Sentences that wait", registry=registry)
        self.oldest_request_age = Gauge(
            "timbre_oldest_request_age_seconds", "How long the oldest sentence has waited", registry=registry
        )
        self.pending_audio = Gauge(
            "timbre_pending_audio_seconds", "Speech that waits to be made, estimated", registry=registry
        )
        self.inflight_requests = Gauge("timbre_inflight_requests", "Requests being answered", registry=registry)
        self.queue_seconds = Histogram(
            "timbre_queue_seconds", "From the queue to the device", buckets=SHORT_SECONDS, registry=registry
        )
        self.stage_seconds = Histogram(
            "timbre_stage_seconds", "One batch in one stage", ["stage"], buckets=SHORT_SECONDS, registry=registry
        )
        self.time_to_first_audio = Histogram(
            "timbre_time_to_first_audio_seconds",
            "From the request's headers to its first encoded sound",
            buckets=SHORT_SECONDS,
            registry=registry,
        )
        self.audio_seconds = Counter("timbre_audio_seconds_total", "Speech made", registry=registry)
        self.device_busy_seconds = Counter(
            "timbre_device_busy_seconds_total", "Time that the device's thread worked", registry=registry
        )
        self.batch_size = Histogram("timbre_batch_size", "Rows of a batch", ["stage"], buckets=ROWS, registry=registry)
        self.batch_frames = Counter(
            "timbre_batch_frames_total", "Frames that the vocoder worked on", ["kind"], registry=registry
        )
        self.rejected = Counter("timbre_rejected_total", "Work refused at the door", ["reason"], registry=registry)
        self.cancelled = Counter(
            "timbre_cancelled_total", "Sentences given up, by what they were doing", ["phase"], registry=registry
        )
        self.stream_underruns = Counter(
            "timbre_stream_underruns_total", "Streams whose listener had to wait", registry=registry
        )
        self.oom = Counter("timbre_oom_total", "Device memory that ran out", ["recovered"], registry=registry)
        self.failed_rows = Counter(
            "timbre_failed_sentences_total", "Sentences that failed alone, neighbours unharmed", registry=registry
        )
        self.voice_cache_hits = Counter("timbre_voice_cache_hits_total", "Embeddings found", registry=registry)
        self.voice_cache_misses = Counter("timbre_voice_cache_misses_total", "Embeddings read", registry=registry)
        self.voice_cache_entries = Gauge("timbre_voice_cache_entries", "Embeddings held", registry=registry)
        self.model_info = Gauge(
            "timbre_model_info", "The model served", ["digest", "precision", "device"], registry=registry
        )
        self._create_label_values()

    def _create_label_values(self) -> None:
        """A rate over a series that starts at its first event misses that event."""
        for stage in STAGES:
            self.stage_seconds.labels(stage)
            self.batch_size.labels(stage)
        for kind in ("real", "padded"):
            self.batch_frames.labels(kind)
        for reason in REJECTIONS:
            self.rejected.labels(reason)
        for phase in CANCELLATIONS:
            self.cancelled.labels(phase)
        for recovered in ("true", "false"):
            self.oom.labels(recovered)

    def read_queue_from(self, depth: Callable[[], float], age: Callable[[], float], audio: Callable[[], float]) -> None:
        """Queue gauges are read at the scrape: an age must grow while nothing happens."""
        self.queue_depth.set_function(depth)
        self.oldest_request_age.set_function(age)
        self.pending_audio.set_function(audio)

    def exposition(self) -> bytes:
        """The text that /metrics answers."""
        return generate_latest(self.registry)
