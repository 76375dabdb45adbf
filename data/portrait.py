"""An aligned and masked picture of a person, from which every use of the model starts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data.masking import MASK_COLOR, Label, mask
from data.origin import Origin, whole_square
from data.transforms import Transform
from util.errors import UserError
from util.images import read_image

# The folder of the parsing maps, beside the pictures they belong to.
PARSINGS = "parsings"


@dataclass(frozen=True)
class Portrait:
    """One person's picture as the generator needs it.

    Attributes:
        path: the file of the picture.
        pixels: (H, W, 3) uint8, with an aligned face and everything but the person at grey 128.
        parsing: (H, W) uint8, the face-parsing labels (`data.masking.Label`) from which the mask was made.
        face: number of the face from the left, for outputs' names, if each face of the photo becomes a portrait.
        origin: the way back into the photo, for square portraits.
    """

    path: Path
    pixels: np.ndarray
    parsing: np.ndarray
    face: int | None = None
    origin: Origin | None = None

    def at_size(self, transform: Transform, rng: np.random.Generator | None = None) -> np.ndarray:
        """The pixels at the network's size.

        Raises:
            UserError: the picture is too small for the transform; the message names the path.
        """
        try:
            return transform(self.pixels, rng)
        except UserError as error:
            raise UserError(f"{self.path}: {error}") from error


def parsing_path(image: Path) -> Path:
    """The path of a picture's parsing map."""
    path = image.parent / PARSINGS / f"{image.stem}.png"
    # Some programs write suffixes in capitals.
    return path if path.is_file() or not (capitals := path.with_suffix(".PNG")).is_file() else capitals


def read_portrait(path: Path) -> Portrait:
    """Reads an aligned picture, and masks it by the parsing map beside it.

    Raises:
        UserError: picture or map is missing or unreadable, their sizes differ, or the map holds unknown labels.
    """
    pixels = np.asarray(read_image(path, MASK_COLOR))
    map_path = parsing_path(path)
    if not map_path.is_file():
        raise UserError(f"{path}: no parsing map {map_path}; use --in_the_wild for photos without one")
    try:
        with Image.open(map_path) as image:
            parsing = _labels(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{map_path}: not a readable parsing map ({error}); make it again") from error
    if parsing.shape != pixels.shape[:2]:
        raise UserError(f"{map_path}: {parsing.shape[::-1]} pixels, but its picture has {pixels.shape[1::-1]}")
    if parsing.max() >= len(Label):
        raise UserError(f"{map_path}: label {parsing.max()} is not a face-parsing label (0 to {len(Label) - 1})")
    parsing = parsing.astype(np.uint8, copy=False)
    height, width = parsing.shape
    origin = Origin(path, whole_square(width)) if height == width else None
    return Portrait(path, mask(pixels, parsing), parsing, origin=origin)


def _labels(image: Image.Image) -> np.ndarray:
    """The labels of a map, whatever mode it was saved in."""
    if image.mode == "P":
        # The indices into the palette are the labels. But programs that make files smaller renumber the palette; then
        # its colours, which are all grey, are the labels.
        colors = np.asarray(image.convert("RGB"))
        if (colors != colors[..., :1]).any() or colors.max() >= len(Label):
            return np.asarray(image)
    elif image.mode.startswith("I"):
        return np.asarray(image)
    elif len(image.getbands()) > 2:
        colors = np.asarray(image.convert("RGB"))
        if (colors != colors[..., :1]).any():
            raise ValueError("it shows colours instead of labels")
    return np.asarray(image.convert("L"))
