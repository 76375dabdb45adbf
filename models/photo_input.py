"""Any photo -> the pixels that a model takes, for calls from Python (docs/python.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from data.age_classes import position
from data.in_the_wild import PhotoReader
from data.in_the_wild.cut_out import Parse
from data.masking import MASK_COLOR, Label
from data.photo_list import user_path
from data.portrait import Portrait, read_portrait
from data.transforms import Transform
from models.age_code import anchor_blends, position_blends
from models.face_parser import FaceParserName, choose_face_parser
from models.model_folder import ModelOptions
from util.images import to_rgb

Photo = str | Path | Image.Image | np.ndarray

# What messages call a photo that has no file.
_UNNAMED = Path("the photo")


@dataclass(frozen=True)
class PhotoInput:
    """Makes portraits of photos for one model.

    Attributes:
        model: the options that describe the model.
        face_parser: cuts the person out; it is loaded when the first photo needs it.
        device: where it runs.
    """

    model: ModelOptions
    face_parser: FaceParserName
    device: torch.device

    @property
    def to_model_size(self) -> Transform:
        """Brings portraits to the model's size."""
        return self.model.transform(flip=False)

    def portrait(self, photo: Photo, *, face: Literal["largest"] | int, aligned: bool) -> Portrait:
        """The masked portrait.

        Args:
            photo: a path, a picture opened by Pillow, or (H, W, 3) uint8.
            face: which face of the photo; numbers count from the left, from 1.
            aligned: whether the photo is a portrait already: the file has a parsing map beside it, and a picture in
                memory is masked.

        Raises:
            UserError: the photo cannot be read, or does not show the face.
        """
        if isinstance(photo, str | Path):
            path = user_path(str(photo))
            return read_portrait(path) if aligned else self._reader(face)(path)[0]
        image = to_rgb(photo, MASK_COLOR)
        if aligned:
            pixels = np.asarray(image)
            return Portrait(_UNNAMED, pixels, np.full(pixels.shape[:2], Label.SKIN, np.uint8))
        return self._reader(face).portraits(image, _UNNAMED)[0]

    def blends(self, ages: Sequence[float] | None) -> Tensor:
        """The blends (F, num_classes) that show ages in years, or each class if there are none.

        Raises:
            UserError: an age is not from 0 to 120.
        """
        classes = self.model.sort_order
        if ages is None:
            return anchor_blends(len(classes))
        return position_blends(len(classes), [position(age, classes) for age in ages])

    def _reader(self, face: Literal["largest"] | int) -> PhotoReader:
        return PhotoReader(self.model.loadSize, self._parse, face)

    @cached_property
    def _parse(self) -> Parse:
        return choose_face_parser(self.face_parser, self.device)
