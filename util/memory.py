"""Gives memory back to the operating system."""

import ctypes


def release_freed_memory() -> None:
    """Returns memory that was freed, but that the C library keeps for each thread that asked for it.

    A server whose threads handle large pictures in turn would otherwise seem to grow with every visitor. C libraries
    other than glibc need no such request, and lack the function.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # TypeError: Windows has no library without a name.
        return
    trim(0)
