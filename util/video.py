"""Frames -> a video that browsers play."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from util.errors import UserError
from util.files import atomic_path


def write_video(path: Path, frames: Iterable[np.ndarray], fps: int) -> int:
    """Encodes frames as they come: H.264, yuv420p, with the index in front, written atomically.

    Args:
        path: ends in .mp4.
        frames: (H, W, 3) uint8, all of one size; an odd row or column at the end is dropped, as the format asks.
        fps: frames a second.

    Returns:
        How many frames were written.

    Raises:
        UserError: the file cannot be written.
    """
    count = 0
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as container:
                stream = container.add_stream(
                    "libx264", rate=Fraction(fps), options={"crf": "16", "preset": "medium"}
                )
                stream.pix_fmt = "yuv420p"
                for pixels in frames:
                    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
                    if count == 0:
                        stream.width, stream.height = width, height
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="rgb24")
                    container.mux(stream.encode(frame))
                    count += 1
                container.mux(stream.encode())
        except av.FFmpegError as error:
            raise UserError(f"{path}: the video cannot be written ({error})") from error
    return count
