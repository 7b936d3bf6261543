"""From a bundle to an engine that has been heard to speak. All of it runs on the device's thread."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass

import numpy as np
import torch

from timbre_inference.batch_plan import limits_for
from timbre_inference.bundle import Bundle, BundleError, load_bundle
from timbre_inference.cpus import model_threads, usable_cpus
from timbre_inference.engine import Engine
from timbre_inference.errors import TimbreError
from timbre_inference.exits import BadWeightsError, NoDeviceError
from timbre_inference.jobs import SynthesisJob, Waveform
from timbre_inference.metrics import Metrics
from timbre_inference.models.family import FamilyInfo, VoiceFamily
from timbre_inference.settings import Settings
from timbre_inference.synthesis_options import SynthesisOptions
from timbre_inference.text import Tokenizer

logger = logging.getLogger(__name__)

FIRST_WORDS = "This is the first sentence that this server speaks."
SHORTEST, LONGEST = 0.5, 30.0
"""Seconds that FIRST_WORDS may take; a voice in its right mind needs three."""
QUIETEST = 1e-4
"""Root mean square below which a waveform is silence: -80 dB."""
BACKGROUND_NICE = 5


@dataclass(frozen=True)
class LoadedModel:
    """What serving needs of a model."""

    bundle: Bundle
    tokenizer: Tokenizer
    engine: Engine
    info: FamilyInfo
    device: str


def load_model(settings: Settings, metrics: Metrics) -> LoadedModel:
    """Verify, load, warm up, listen. Raises NoDeviceError or BadWeightsError."""
    device = choose_device(settings.device)
    _take_threads(settings.threads, device)
    bundle = _open_bundle(settings)
    family = _load_family(bundle, device, settings.precision)
    limits = limits_for(device, settings.max_batch_size, settings.frame_budget(device))
    model = LoadedModel(bundle, bundle.tokenizer(), Engine(family, device, limits, metrics), family.info, device)
    _hear_first_words(model)
    metrics.model_info.labels(bundle.digest, settings.precision, device).set(1)
    return model


def choose_device(wanted: str) -> str:
    """cuda or cpu; `auto` takes a GPU when there is one."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise NoDeviceError(
            "TIMBRE_DEVICE=cuda, but no GPU can be used here: the container was given none, or the driver is too "
            "old for this image. Ask for one in spec.resources.gpu, or set device: cpu."
        )
    return "cuda" if available and wanted != "cpu" else "cpu"


def _take_threads(wanted: int, device: str) -> None:
    cpus = usable_cpus()
    threads = wanted or model_threads(cpus, device)
    torch.set_num_threads(threads)
    if device == "cpu":
        # On Linux a thread has a niceness of its own: requests and probes come before the next multiplication.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICE)
    logger.info("device chosen", extra={"device": device, "threads": threads, "cpus": round(cpus, 2)})


def _open_bundle(settings: Settings) -> Bundle:
    started = time.monotonic()
    try:
        bundle = load_bundle(settings.model_source, settings.model_digest)
    except BundleError as error:
        raise BadWeightsError(str(error)) from error
    logger.info("bundle verified", extra={"source": settings.model_source, "seconds": _since(started)})
    return bundle


def _load_family(bundle: Bundle, device: str, precision: str) -> VoiceFamily:
    started = time.monotonic()
    try:
        family = bundle.load_family(device, precision)
    except BundleError as error:
        raise BadWeightsError(str(error)) from error
    logger.info("weights loaded", extra={"seconds": _since(started)})
    return family


def _hear_first_words(model: LoadedModel) -> None:
    """Twice: the first pass also pays for what libraries prepare once, the second one is timed."""
    job = SynthesisJob(
        tokens=tuple(model.tokenizer.encode(FIRST_WORDS)),
        embedding=model.bundle.voices[model.bundle.manifest.default_voice],
        options=SynthesisOptions(seed=0),
        deadline=float("inf"),
    )
    speak_once(model.engine, job)
    started = time.monotonic()
    waveform = speak_once(model.engine, job)
    elapsed = time.monotonic() - started
    seconds = len(waveform) / model.info.sample_rate
    if complaint := complaint_about(waveform, seconds):
        raise BadWeightsError(f"The bundle {model.bundle.manifest.name} loads, but does not speak: {complaint}.")
    logger.info(
        "first words spoken",
        extra={"audio_seconds": round(seconds, 2), "real_time_factor": round(elapsed / seconds, 3)},
    )


def complaint_about(waveform: Waveform, seconds: float) -> str:
    """What is wrong with the first words; "" when they could be speech."""
    if not SHORTEST <= seconds <= LONGEST:
        return f"its first sentence lasts {seconds:.2f} s"
    loudness = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
    if loudness < QUIETEST:
        return "its first sentence is silent"
    return ""


class _Listener:
    """A row that keeps its outcome."""

    def __init__(self, job: SynthesisJob) -> None:
        self.job = job
        self.outcome: Waveform | TimbreError | None = None

    def wanted(self) -> bool:
        return True

    def finish(self, waveform: Waveform) -> None:
        self.outcome = waveform

    def fail(self, error: TimbreError) -> None:
        self.outcome = error


def speak_once(engine: Engine, job: SynthesisJob) -> Waveform:
    """One sentence without a queue; a failure is the bundle's fault."""
    listener = _Listener(job)
    engine.speak([listener])
    if not isinstance(listener.outcome, np.ndarray):
        raise BadWeightsError("The bundle loads, but its first sentence fails: the log says where.")
    return listener.outcome


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
