"""Memory that was freed, and that the C library keeps."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""From glibc's malloc.h."""
_LARGEST = (2**31 - 1, 32 << 20)
"""Limits in bytes, above which a block isn't kept: as large as can be said, and what glibc took up to 2.34."""


def give_back() -> None:
    """Hand it to the system, where the C library has a call for that (glibc's `malloc_trim`)."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def share_one_heap() -> None:
    """Let all threads that begin from now on share one heap: each heap of its own keeps much of what was freed.

    glibc's `mallopt(M_ARENA_MAX, 1)`; nothing where the C library doesn't know it. Threads hardly wait for each other:
    what takes long is computing, not allocating.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_ARENA_MAX, 1)


def keep_freed() -> None:
    """Keep what is freed for what is needed next, however large: for work that needs the same again and again.

    By default glibc hands every block above 32 MiB back at once (mallopt(3), "dynamic mmap threshold"), and the system
    fills the next one with zeros, page by page: a third of a training step. Nothing is done where the C library doesn't
    know it, or takes no limit: with the second alone it would keep less than by itself.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt") and any(library.mallopt(_M_MMAP_THRESHOLD, limit) for limit in _LARGEST):
        library.mallopt(_M_TRIM_THRESHOLD, _LARGEST[0])
