"""Puts the head of an aged portrait back into its photo, at the photo's resolution (docs/method.md, Photos)."""

import cv2
import numpy as np
from PIL import Image

from data.in_the_wild.align import align
from data.masking import MASK_COLOR
from data.origin import Square

# A pixel of a frame that differs by at most so many grey levels counts as equal: from the mask's grey, which the
# generator reproduces exactly where it draws nothing, or from the portrait.
_SAME = 4
# Where the frame's structure differs by so many levels from the portrait's, the photo's own detail fits no longer.
_STRUCTURE = 4.0
# Lengths as shares of the square's side. Strands that the mask missed lie within the first around the head. Where
# the square cuts through hair or neck, details fade over the second, and colours over the third. Heads are followed
# beyond the square by the fourth.
_STRANDS, _FADE, _COLOR_FADE, _BEYOND = 0.03, 0.06, 0.25, 0.2
_MOST_BACKDROP = 320
_SEED = 0
# So many rows of the photo are worked on at a time, so that memory does not grow with its size.
_ROWS = 256
_GRAIN_TILE = 256
_MOST_GRAIN = 12.0


class PasteBack:
    """Puts frames of one portrait into its photo.

    What changes is pasted, not the frame: the photo keeps its own finer detail wherever the frame has the portrait's
    structure, so a frame that equals the portrait gives the photo itself. Elsewhere grain like the photo's hides that
    the frame is smoother. The background behind a head that shrank is continued inwards from around it.

    The frame has no labels. Its head is what differs from the mask's grey: the generator was trained on masked
    pictures and leaves exactly that grey around the head. A parser would take longer than the frame itself, and its
    errors would flicker in videos.

    Args:
        photo: RGB, upright.
        square: where the network's picture lies in it.
        pixels: (S, S, 3) uint8, the network's input, masked.
        head: (S, S) bool, what the mask left of it.
    """

    def __init__(self, photo: Image.Image, square: Square, pixels: np.ndarray, head: np.ndarray) -> None:
        # A face that is smaller in the photo than in the frame is reduced first. Sampling alone would miss pixels.
        self._size = min(len(pixels), max(8, round(square.side)))
        self._pixels = _reduce(pixels, self._size)
        self._raw_head = _resize_mask(head, self._size)
        self._head = _whole(self._raw_head)
        self._rim = _rim(photo.size, square, self._size)
        # All layers have this margin around the square.
        self._margin = round(_BEYOND * self._size)
        self._portrait = self._padded(_extend(self._pixels, self._head))
        self._inner = np.s_[self._margin : self._margin + self._size, self._margin : self._margin + self._size]
        share = self._margin / self._size
        self._around = square.part(-share, 1 + share)
        surroundings = align(photo, self._around, min(_MOST_BACKDROP, round(self._around.side)))
        is_cut = bool((self._rim & self._head).any())
        self._backdrop, beyond = _backdrop(surroundings, self._head, self._margin, is_cut=is_cut)
        self._beyond = beyond & self._padded(self._head)
        self._before = _soft(self._padded(self._head, cv2.BORDER_CONSTANT) | self._beyond)
        self._outer_fade = np.clip(_distance(_rim(photo.size, self._around, len(beyond))) / _STRANDS, 0, 1)
        left, top = np.floor(self._around.corners.min(axis=0)).astype(int)
        right, bottom = np.ceil(self._around.corners.max(axis=0)).astype(int) + 1
        self._box = max(left, 0), max(top, 0), min(right, photo.width), min(bottom, photo.height)
        grain = _grain(photo, self._box)
        self._grain = np.random.default_rng(_SEED).normal(0, grain, (_GRAIN_TILE, _GRAIN_TILE)).astype(np.float32)

    def __call__(self, photo: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """The photo with the frame's head.

        Args:
            photo: (H, W, 3) uint8, the photo; other heads may have been pasted into it.
            frame: (S, S, 3) uint8, of the network.

        Returns:
            (H, W, 3) uint8. Pixels away from the head are those of `photo`.
        """
        drawn, keep, alpha, gap = self._layers(_reduce(frame, self._size))
        pasted = photo.copy()
        left, top, right, bottom = self._box
        for start in range(top, bottom, _ROWS):
            rows = np.s_[start : min(start + _ROWS, bottom), left:right]
            before = photo[rows].astype(np.float32)
            keep_here, alpha_here, gap_here = (self._warp(layer, rows)[..., None] for layer in (keep, alpha, gap))
            grain = self._grain_at(rows)
            head = self._warp(drawn, rows) + (1 - keep_here) * grain
            head += keep_here * (before - self._warp(self._portrait, rows))
            behind = before + gap_here * (self._warp(self._backdrop, rows) + grain - before)
            pasted[rows] = np.rint(behind + alpha_here * (head - behind)).clip(0, 255)
        return pasted

    def _layers(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What is pasted, at the frame's size and with the margin.

        Returns:
            The head's colours (N, N, 3); the share of the photo's detail that is kept; how opaque the head is; and
            how far the backdrop replaces the photo behind it (each (N, N)).
        """
        differs, drawn = (_difference(frame, other) > _SAME for other in (self._pixels, MASK_COLOR))
        head = _whole(np.where(differs, drawn, self._raw_head))
        # Beyond the square, hair goes where the hair at the square's edge goes.
        after = _soft(self._padded(head, cv2.BORDER_CONSTANT) | self._beyond & self._padded(head))
        extended, portrait = _extend(frame, head), self._portrait[self._inner]
        blur = max(1.0, self._size / 128)
        structure = extended - portrait
        colors = _blur(structure, self._size / 24)
        structure -= _blur(structure, 2 * blur)
        energy = _blur(np.einsum("hwc,hwc->hw", structure, structure) / 3, blur)
        # Where the square cuts through the head, the frame fades into the photo.
        cut = _distance(self._rim & head)
        fade, color_fade = (np.clip(cut / share, 0, 1) for share in (_FADE, _COLOR_FADE))
        extended -= colors * (1 - color_fade)[..., None]
        extended = self._padded(portrait + (extended - portrait) * fade[..., None])
        lost = self._padded((1 - np.exp(-energy / _STRUCTURE**2)) * fade, cv2.BORDER_CONSTANT)
        grown = self._spread(after - self._before) * self._padded(fade)
        keep = (1 - lost) * (1 - grown)
        return extended, keep, after, self._spread(self._before - after) * self._outer_fade

    def _padded(self, layer: np.ndarray, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
        """The layer (S, S, ...) with its margin, by default of the colours at the edge: (N, N, ...)."""
        m = self._margin
        return np.asarray(cv2.copyMakeBorder(layer, m, m, m, m, border))

    def _spread(self, moved: np.ndarray) -> np.ndarray:
        """Where the outline moved, and around: (N, N) in [0, 1]. The least movements do not count."""
        moved = cv2.dilate(np.clip(2.5 * moved - 0.5, 0, 1), _disk(_STRANDS * self._size))
        return _blur(moved, max(0.5, _STRANDS / 2 * self._size))

    def _warp(self, layer: np.ndarray, rows: tuple[slice, slice]) -> np.ndarray:
        """A layer with its margin at these rows and columns of the photo."""
        down, across = rows
        to_photo = self._around.to_photo(len(layer))
        to_photo[:, 2] -= across.start, down.start
        flags = cv2.INTER_CUBIC if layer.ndim == 3 else cv2.INTER_LINEAR
        size = across.stop - across.start, down.stop - down.start
        return np.asarray(cv2.warpAffine(layer, to_photo, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))

    def _grain_at(self, rows: tuple[slice, slice]) -> np.ndarray:
        """Grain (H, W, 1) that stays where it is from frame to frame."""
        down, across = (np.arange(part.start, part.stop) % _GRAIN_TILE for part in rows)
        return self._grain[down[:, None], across][..., None]


def _backdrop(picture: np.ndarray, head: np.ndarray, margin: int, *, is_cut: bool) -> tuple[np.ndarray, np.ndarray]:
    """What is behind the head, and where the head goes on beyond the square.

    Args:
        picture: (B, B, 3) uint8, the square with its margin.
        head: (S, S) uint8, the head in the square.
        margin: of the square, in pixels of `head`.
        is_cut: whether the head goes on beyond the square.

    Returns:
        The picture without the head (B, B, 3) float32: its surroundings are continued inwards. And the head in the
        margin, (N, N) uint8.
    """
    size, total = len(picture), len(head) + 2 * margin
    known = np.pad(np.where(head, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8), margin, constant_values=cv2.GC_PR_BGD)
    seeds = cv2.resize(known, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    if is_cut:
        # The clothes below and the hair above tell the head from the background in the margin, too.
        cv2.setRNGSeed(_SEED)
        unused = (0, 0, size, size)  # GrabCut takes a rectangle, but ignores it when the seeds are a mask.
        outside, inside = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(
            cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), seeds, unused, outside, inside, 2, cv2.GC_INIT_WITH_MASK
        )
    found = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    # The strip in which the photo may be replaced, and its soft edge.
    hole = cv2.dilate(found.astype(np.uint8), _disk(2 * _STRANDS * size * len(head) / total))
    filled = cv2.inpaint(picture, hole, 5, cv2.INPAINT_TELEA).astype(np.float32)
    beyond = _resize_mask(found, total)
    beyond[margin:-margin, margin:-margin] = 0
    return filled, beyond


def _reduce(pixels: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA))


def _resize_mask(mask: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(cv2.resize(mask.astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST_EXACT))


def _blur(layer: np.ndarray, sigma: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), sigma))


def _disk(radius: float) -> np.ndarray:
    side = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def _difference(pixels: np.ndarray, other: np.ndarray | int) -> np.ndarray:
    """The largest difference of the three channels, (S, S)."""
    red, green, blue = cv2.split(cv2.absdiff(pixels, np.broadcast_to(np.uint8(other), pixels.shape)))
    return np.maximum(np.maximum(red, green), blue)


def _whole(mask: np.ndarray) -> np.ndarray:
    """The mask's parts with holes and narrow bays filled, without specks: (S, S) uint8.

    Hair of the mask's grey leaves holes and bays.
    """
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _disk(0.012 * len(mask)))
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(contour) for contour in contours]
    whole = np.zeros(mask.shape, np.uint8)
    for contour, area in zip(contours, areas, strict=True):
        if area >= max(areas) / 100:
            cv2.drawContours(whole, [contour], -1, 1, cv2.FILLED)
    return whole


def _soft(mask: np.ndarray) -> np.ndarray:
    """A mask (N, N) with soft edges, float32 in [0, 1]."""
    return _blur(mask.astype(np.float32), max(0.7, len(mask) / 400))


def _extend(pixels: np.ndarray, head: np.ndarray) -> np.ndarray:
    """The head's colours, continued outwards from inside its edge, which is mixed with grey: (S, S, 3) float32."""
    inner = cv2.erode(head, np.ones((3, 3), np.uint8), borderValue=1).astype(np.float32)
    known = pixels * inner[..., None]
    sigma = max(1.5, len(head) / 100)
    weight = _blur(inner, sigma)
    around = _blur(known, sigma) / np.maximum(weight, 1e-6)[..., None]
    return np.where(inner[..., None] > 0, pixels.astype(np.float32), around)


def _rim(photo: tuple[int, int], square: Square, size: int) -> np.ndarray:
    """The outermost pixels of the square beyond which the photo goes on, (S, S) uint8."""
    places = np.stack(np.meshgrid(*2 * [np.arange(-1, size + 1)]), axis=-1)
    to_photo = square.to_photo(size)
    columns, rows = np.moveaxis(places @ to_photo[:, :2].T + to_photo[:, 2], -1, 0)
    beyond = (columns >= 0) & (rows >= 0) & (columns < photo[0]) & (rows < photo[1])
    beyond[1:-1, 1:-1] = False
    return np.asarray(cv2.dilate(beyond.astype(np.uint8), np.ones((3, 3), np.uint8))[1:-1, 1:-1])


def _distance(mask: np.ndarray) -> np.ndarray:
    """The distance to the mask's nearest pixel, (S, S) float32 in sides; 1 if there is none."""
    if not mask.any():
        return np.ones(mask.shape, np.float32)
    return np.asarray(cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)) / len(mask)


def _grain(photo: Image.Image, box: tuple[int, int, int, int]) -> float:
    """The deviation of a photo's noise in grey levels, from a median that edges do not reach (Immerkaer 1996)."""
    left, top, right, bottom = box
    # The middle is enough.
    x, y = max(0, right - left - 1024) // 2, max(0, bottom - top - 1024) // 2
    grey = np.asarray(photo.crop((left + x, top + y, right - x, bottom - y)).convert("L"), np.float32)
    response = cv2.filter2D(grey, -1, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32))
    return min(_MOST_GRAIN, float(np.median(np.abs(response))) / 0.6745 / 6)
