"""Speaks batches: plan every row, regroup by true length, decode. Runs on the device's thread alone.

One bad row never fails its neighbours: a batch that fails is done again row by row. Memory that runs out
is met by halving the batch and lowering the frame budget, which rises again slowly.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from timbre_inference.batch_plan import BatchLimits, FrameBudget, bucket
from timbre_inference.errors import InternalError, JobTooLargeError, TimbreError
from timbre_inference.jobs import SynthesisJob, Waveform
from timbre_inference.metrics import Metrics
from timbre_inference.models.family import Plan, VoiceFamily
from timbre_inference.pace import Pace

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

EXHAUSTED = ("can't allocate memory", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")
"""What libraries below torch say instead of raising OutOfMemoryError."""


class DeviceLostError(Exception):
    """The device does not answer any more; only a new process gets it back."""


class Row(Protocol):
    """A job on its way through the device."""

    @property
    def job(self) -> SynthesisJob:
        """What is to be spoken."""

    def wanted(self) -> bool:
        """False once nobody waits for it: it then costs no more device time."""

    def finish(self, waveform: Waveform) -> None:
        """It was spoken."""

    def fail(self, error: TimbreError) -> None:
        """It was not."""


@dataclass(frozen=True, slots=True)
class _Planned:
    row: Row
    plan: Plan


@dataclass(frozen=True)  # slots and a subscripted Generic do not go together before Python 3.12
class _Stage(Generic[Item, Result]):
    """One step that the whole batch takes together, or each row alone when together fails."""

    name: str
    work: Callable[[list[Item]], Sequence[Result]]
    frames: Callable[[Item], int]
    fail: Callable[[Item, TimbreError], None]


class Engine:
    """The only owner of the device."""

    def __init__(self, family: VoiceFamily, device: str, limits: BatchLimits, metrics: Metrics) -> None:
        self._family = family
        self._device = device
        self._limits = limits
        self._budget = FrameBudget(limits.max_batch_frames, limits.max_batch_frames)
        self._pace = Pace()
        self._metrics = metrics

    @property
    def limits(self) -> BatchLimits:
        """What a batch may hold now; smaller for a while after memory ran out. Any thread may ask."""
        return replace(self._limits, max_batch_frames=self._budget.frames)

    @property
    def max_row_frames(self) -> int:
        """The longest sentence that is taken at all."""
        return self._limits.max_row_frames

    def estimate(self, job: SynthesisJob) -> int:
        """Frames that a job will probably take. Any thread may ask."""
        return self._pace.frames(len(job.tokens), job.options.speaking_rate)

    def seconds(self, frames: int) -> float:
        """Of sound in so many frames."""
        return frames * self._family.info.hop_length / self._family.info.sample_rate

    def speak(self, rows: Sequence[Row]) -> None:
        """Finish or fail every row, each as soon as it is known; rows nobody wants are passed over.

        Raises DeviceLostError when the device is gone; rows that are not settled by then stay so.
        """
        with self._busy(), torch.inference_mode():
            planned = list(self._plan(rows))
            for group in bucket([item.plan.frames for item in planned], self.limits):
                self._decode([planned[index] for index in group])
            self._budget = self._budget.after_success()

    def embed(self, waveform: Waveform) -> npt.NDArray[np.float32]:
        """[embedding_size] of a reference at the model's reference rate."""
        with self._busy(), torch.inference_mode():
            stage = _Stage[Waveform, npt.NDArray[np.float32]]("embed", self._encode_references, lambda _: 0, _raise)
            return next(iter(self._run(stage, [waveform])))[1]

    def _plan(self, rows: Sequence[Row]) -> Iterator[_Planned]:
        stage = _Stage[Row, Plan](
            "plan", self._plan_rows, lambda row: self.estimate(row.job), lambda row, error: row.fail(error)
        )
        for row, plan in self._run(stage, [row for row in rows if row.wanted()]):
            self._pace = self._pace.after(len(row.job.tokens), row.job.options.speaking_rate, plan.frames)
            if plan.frames > self.max_row_frames:
                row.fail(JobTooLargeError(self.too_long(plan.frames)))
            else:
                yield _Planned(row, plan)

    def _decode(self, group: list[_Planned]) -> None:
        group = [item for item in group if item.row.wanted()]
        stage = _Stage[_Planned, Waveform](
            "decode",
            self._decode_rows,
            lambda item: item.plan.frames,
            lambda item, error: item.row.fail(error),
        )
        for item, waveform in self._run(stage, group):
            if np.isfinite(waveform).all():
                self._metrics.audio_seconds.inc(self.seconds(item.plan.frames))
                item.row.finish(waveform)
            else:
                logger.error("a sentence came out as no sound", extra={"tokens": len(item.row.job.tokens)})
                self._metrics.failed_rows.inc()
                item.row.fail(InternalError())

    def too_long(self, frames: int) -> str:
        """The sentence for a client whose sentence is too long."""
        limit = self.seconds(self.max_row_frames)
        return (
            f"One sentence would take about {self.seconds(frames):.0f} s to say; "
            f"{limit:.0f} s is the most. Put full stops or commas into it."
        )

    def _plan_rows(self, rows: list[Row]) -> Sequence[Plan]:
        jobs = [row.job for row in rows]
        embeddings = torch.from_numpy(np.stack([job.embedding for job in jobs]))  # [rows, embedding_size]
        return self._family.plan(
            [job.tokens for job in jobs], embeddings.to(self._device), [job.options for job in jobs]
        )

    def _decode_rows(self, group: list[_Planned]) -> list[Waveform]:
        waveforms = self._family.decode([item.plan for item in group])
        real = [item.plan.frames for item in group]
        self._metrics.batch_frames.labels("real").inc(sum(real))
        self._metrics.batch_frames.labels("padded").inc(len(real) * max(real) - sum(real))
        # A copy: a view would keep the whole padded batch alive until its last row is sent.
        return [waveform.float().clamp(-1.0, 1.0).cpu().numpy().copy() for waveform in waveforms]

    def _encode_references(self, waveforms: list[Waveform]) -> list[npt.NDArray[np.float32]]:
        references = [torch.from_numpy(waveform).to(self._device) for waveform in waveforms]
        return list(self._family.encode_reference(references).float().cpu().numpy())

    def _run(self, stage: _Stage[Item, Result], items: list[Item]) -> Iterator[tuple[Item, Result]]:
        """Each item with its result, in order; items that fail alone are told so and left out."""
        if not items:
            return
        trouble = self._attempt(stage, items)
        if not isinstance(trouble, _Trouble):
            yield from zip(items, trouble, strict=True)
        elif len(items) > 1:
            for part in _parts(items, 2 if trouble.exhausted else len(items)):
                yield from self._run(stage, part)
        else:
            self._metrics.failed_rows.inc()
            stage.fail(items[0], trouble.for_client())

    def _attempt(self, stage: _Stage[Item, Result], items: list[Item]) -> Sequence[Result] | _Trouble:
        trouble = self._try(stage, items)
        if not isinstance(trouble, _Trouble):
            return trouble
        # Out of the except block by now: its traceback held every tensor of the batch.
        if trouble.exhausted:
            self._make_room(stage, items)
        if len(items) > 1 or not trouble.exhausted:
            return trouble
        # Alone in emptied memory: once more, and then it is the row's own size.
        again = self._try(stage, items)
        self._metrics.oom.labels("false" if isinstance(again, _Trouble) else "true").inc()
        return again

    def _try(self, stage: _Stage[Item, Result], items: list[Item]) -> Sequence[Result] | _Trouble:
        started = time.perf_counter()
        try:
            results = stage.work(items)
            if len(results) != len(items):
                raise RuntimeError(f"{stage.name} answered {len(results)} rows of {len(items)}")
        except torch.AcceleratorError as error:
            raise DeviceLostError(str(error)) from error
        except Exception as error:
            exhausted = _is_exhaustion(error)
            if not exhausted:
                logger.exception("%s failed for %d rows together", stage.name, len(items))
            return _Trouble(exhausted)
        self._metrics.stage_seconds.labels(stage.name).observe(time.perf_counter() - started)
        self._metrics.batch_size.labels(stage.name).observe(len(items))
        return results

    def _make_room(self, stage: _Stage[Item, Result], items: list[Item]) -> None:
        frames = len(items) * max(stage.frames(item) for item in items)
        self._budget = self._budget.after_exhaustion(frames)
        logger.warning(
            "memory ran out; smaller batches from now on",
            extra={"stage": stage.name, "rows": len(items), "frames": frames, "budget": self._budget.frames},
        )
        if len(items) > 1:
            self._metrics.oom.labels("true").inc()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @contextmanager
    def _busy(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._metrics.device_busy_seconds.inc(time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a stage failed, without the exception: that would hold the batch's tensors."""

    exhausted: bool

    def for_client(self) -> TimbreError:
        if self.exhausted:
            return InternalError("The device's memory ran out for this request alone. Try a shorter one.")
        return InternalError()


def _is_exhaustion(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in EXHAUSTED)


def _parts(items: list[Item], count: int) -> Iterator[list[Item]]:
    size = -(-len(items) // count)
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _raise(_: object, error: TimbreError) -> None:
    raise error
