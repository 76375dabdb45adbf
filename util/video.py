"""Encodes videos that browsers can play."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from util.errors import UserError
from util.files import atomic_path


def write_video(path: Path, frames: Iterable[np.ndarray], fps: Fraction | int, crf: int) -> None:
    """Encodes frames one by one: H.264, yuv420p, the index in front. The file is written atomically.

    Args:
        path: ends in .mp4.
        frames: (H, W, 3) uint8, all of one size. The format needs even sides, so the last row or column of an odd
            side is repeated.
        fps: frames per second.
        crf: quality, from 1 (best) to 51.

    Raises:
        UserError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as container:
                stream = container.add_stream(
                    "libx264", rate=Fraction(fps), options={"crf": str(crf), "preset": "medium"}
                )
                stream.pix_fmt = "yuv420p"
                for number, pixels in enumerate(frames):
                    even = _with_even_sides(pixels)
                    if number == 0:
                        stream.height, stream.width = even.shape[:2]
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
                container.mux(stream.encode())
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise  # atomic_path reports full disks and the like.
            raise UserError(f"{path}: the video cannot be written ({error}); try another --output_size") from error


def _with_even_sides(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))
