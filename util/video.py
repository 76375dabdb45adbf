"""Encodes videos: MP4 that browsers can play, and animated GIF and WebP."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from PIL import Image

from util.errors import UserError
from util.files import atomic_path
from util.metadata import Facts, add_gif_comment, as_json, as_text, xmp_packet
from util.sheets import spread

# Most viewers slow faster GIFs down to 10 frames a second, because delays count hundredths of a second.
GIF_MOST_FPS = 50

# One palette for all frames keeps colours calm. This fine pattern hides the steps between its colours; it costs less
# than error diffusion, whose grain moves from frame to frame.
_GIF_DITHER = "dither=bayer:bayer_scale=4:diff_mode=rectangle"
_RGB = av.VideoFormat("rgb24")
_CENTISECOND = Fraction(1, 100)
# From here on libwebp's slower methods gain less than 1 % in size.
_WEBP_METHOD = 4


class _RefusedError(Exception):
    """An encoder does not accept the frames, for example their size."""


def write_video(
    path: Path, frames: Iterable[np.ndarray], fps: Fraction | int, crf: int, *, facts: Facts | None = None
) -> None:
    """Encodes frames, and writes the file atomically.

    An MP4 is encoded frame by frame: H.264, yuv420p, the index in front. Animated pictures repeat for ever; their
    encoders keep all frames in memory, 4 bytes a pixel.

    Args:
        path: ends in .mp4, .gif or .webp.
        frames: (H, W, 3) uint8, all of one size. MP4 needs even sides, so the last row or column of an odd side is
            repeated.
        fps: frames per second.
        crf: quality, from 1 (best) to 51; a GIF has 256 colours in any case.
        facts: what the file says about itself.

    Raises:
        UserError: the file cannot be written.
    """
    write = {".mp4": _write_mp4, ".gif": _write_gif, ".webp": _write_webp}[path.suffix.lower()]
    with atomic_path(path) as temporary:
        try:
            write(temporary, frames, Fraction(fps), crf, facts)
        except (av.FFmpegError, _RefusedError) as error:
            if isinstance(error, OSError):
                raise  # atomic_path reports full disks and the like.
            raise UserError(f"{path}: the video cannot be written ({error}); try another --output_size") from error


def there_and_back(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yields the frames, then again in reverse order to the first one. They are made once and kept in memory."""
    kept = []
    for frame in frames:
        kept.append(frame)
        yield frame
    yield from kept[-2::-1]


def read_frames(path: Path, most: int) -> list[np.ndarray]:
    """At most `most` frames of a video, evenly from the first to the last: (H, W, 3) uint8."""
    if path.suffix.lower() == ".mp4":
        with av.open(str(path)) as container:
            wanted = spread(range(container.streams.video[0].frames), most)
            decoded = enumerate(container.decode(video=0))
            return [frame.to_ndarray(format="rgb24") for number, frame in decoded if number in wanted]
    with Image.open(path) as image:
        frames = []
        for number in spread(range(getattr(image, "n_frames", 1)), most):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
        return frames


def _write_mp4(path: Path, frames: Iterable[np.ndarray], fps: Fraction, crf: int, facts: Facts | None) -> None:
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        if facts:
            container.metadata.update({"comment": as_json(facts), "description": as_text(facts)})
        stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": "medium"})
        stream.pix_fmt = "yuv420p"
        for number, pixels in enumerate(frames):
            even = _with_even_sides(pixels)
            if number == 0:
                stream.height, stream.width = even.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode())


def _write_gif(path: Path, frames: Iterable[np.ndarray], fps: Fraction, crf: int, facts: Facts | None) -> None:
    options = {"loop": "0", "final_delay": str(round(100 / fps))}
    with av.open(str(path), "w", format="gif", options=options) as container:
        stream = container.add_stream("gif", rate=fps)
        stream.pix_fmt = "pal8"
        stream.time_base = _CENTISECOND
        for number, frame in enumerate(_with_palette(frames, fps)):
            if number == 0:
                stream.height, stream.width = frame.height, frame.width
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if facts:
        add_gif_comment(path, as_json(facts))


def _with_palette(frames: Iterable[np.ndarray], fps: Fraction) -> Iterator[av.VideoFrame]:
    """The frames in the 256 colours that suit all of them best. The filters keep the frames until the last one."""
    graph = av.filter.Graph()
    for number, pixels in enumerate(frames):
        if number == 0:
            height, width = pixels.shape[:2]
            source = graph.add_buffer(width=width, height=height, format=_RGB, time_base=_CENTISECOND)
            split, palette = graph.add("split"), graph.add("palettegen")
            mapped, sink = graph.add("paletteuse", _GIF_DITHER), graph.add("buffersink")
            source.link_to(split)
            split.link_to(palette, 0, 0)
            split.link_to(mapped, 1, 0)
            palette.link_to(mapped, 0, 1)
            mapped.link_to(sink)
            graph.configure()
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = round(100 * number / fps), _CENTISECOND
        graph.vpush(frame)
    graph.vpush(None)
    while True:
        try:
            yield graph.vpull()
        except av.EOFError:
            return


def _write_webp(path: Path, frames: Iterable[np.ndarray], fps: Fraction, crf: int, facts: Facts | None) -> None:
    # FFmpeg's encoder for WebP lets errors add up over the frames; Pillow's does not.
    first, *others = map(Image.fromarray, frames)
    starts = [round(1000 * number / fps) for number in range(len(others) + 2)]
    try:
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=[end - start for start, end in pairwise(starts)],
            quality=round(100 - 1.25 * crf),
            method=_WEBP_METHOD,
            xmp=xmp_packet(facts) if facts else b"",
        )
    except RuntimeError as error:
        raise _RefusedError(error) from error


def _with_even_sides(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))
