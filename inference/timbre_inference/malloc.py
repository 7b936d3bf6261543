"""glibc's allocator, told to keep what is freed."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8
"""From malloc.h."""


def keep_freed_memory() -> bool:
    """Reuse large buffers instead of giving them back at every layer; False where the allocator is another one.

    A vocoder frees and asks for hundreds of megabytes in each batch. Mapped anew each time they cost 830,000 page
    faults and half the speed: 0.19 against 0.095 CPU seconds a second of speech. One arena, because the others
    always map what is larger than 64 MiB. To be called before the first thread starts.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    options = ((M_MMAP_THRESHOLD, 2**30), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**26), (M_ARENA_MAX, 1))
    return all(mallopt(option, value) == 1 for option, value in options)
