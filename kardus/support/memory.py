"""Memory that was freed, and that the C library keeps."""

import ctypes

_M_ARENA_MAX = -8
"""From glibc's malloc.h."""


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
