"""Memory that the agent and a decoding process share: a picture is written there by one, and read by the other."""

import fcntl
import mmap
import os
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_agent.camera.errors import DecoderError

CHANNELS = 3


class PictureMemory:
    """Room for one picture, which grows and never shrinks. A side reads or writes while the other waits for it."""

    def __init__(self, descriptor: int) -> None:
        """Share the memory behind a file descriptor, which stays the caller's until `close`."""
        self.descriptor = descriptor
        self._mapped: mmap.mmap | None = None

    @classmethod
    def create(cls) -> Self:
        """New memory, still empty. Nobody can make it shrink: reading what is gone would kill whoever reads."""
        descriptor = os.memfd_create("kardus-picture", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        return cls(descriptor)

    def write(self, *parts: NDArray[np.uint8]) -> None:
        """Put a picture there: (height, width, 3) RGB, or its planes, or its code, one after the other."""
        size = sum(part.size for part in parts)
        if os.fstat(self.descriptor).st_size < size:
            os.ftruncate(self.descriptor, size)
        offset = 0
        for part in parts:
            np.frombuffer(self._map(), np.uint8, part.size, offset).reshape(part.shape)[:] = part
            offset += part.size

    def read(self, width: int, height: int) -> Image.Image:
        """A copy of the picture of this size that lies there.

        Raises:
            DecoderError: there is less.
        """
        with self._view(CHANNELS * width * height) as pixels:
            return Image.frombytes("RGB", (width, height), pixels)

    def read_bytes(self, size: int) -> bytes:
        """A copy of so much of what lies there.

        Raises:
            DecoderError: there is less.
        """
        with self._view(size) as content:
            return bytes(content)

    def close(self) -> None:
        """Give the memory up."""
        self._mapped = None
        os.close(self.descriptor)

    def _view(self, size: int) -> memoryview:
        if os.fstat(self.descriptor).st_size < size:
            raise DecoderError("its decoder gave nonsense")
        return memoryview(self._map())[:size]

    def _map(self) -> mmap.mmap:
        """All of it; mapped once, and again when it has grown."""
        size = os.fstat(self.descriptor).st_size
        if self._mapped is None or len(self._mapped) != size:
            self._mapped = mmap.mmap(self.descriptor, size)
        return self._mapped
