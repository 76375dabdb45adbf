"""Makes frames of a person at other ages from a portrait and a generator's weights, or from any photo by one call."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby, islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from data.in_the_wild.pasted_photo import MOST_SERIES_PIXELS, PastedPhoto
from models.age_code import make_codes, traversal_blends
from models.checkpoint import CheckpointFolder
from models.engines import Engine, EngineName, choose_engine
from models.face_parser import FaceParserName
from models.generator import GeneratorConfig
from models.model_folder import find_model, is_model, read_model_options
from models.photo_input import Photo, PhotoInput
from models.precision import Precision, set_tf32
from util.device import choose_device
from util.images import resize
from util.video import write_video

# From one anchor to the next in a video.
_VIDEO_STEP = 0.05


@dataclass(frozen=True)
class Series:
    """The frames to make of one portrait.

    Attributes:
        pixels: (H, W, 3) uint8, a masked portrait of the model's size.
        blends: (F, num_classes), weights over the anchors' latents (models/age_code.py).
        seed: seed of the codes' noise, which is drawn once for the whole series.
    """

    pixels: np.ndarray
    blends: Tensor
    seed: int


@dataclass(frozen=True)
class AgeTransformer:
    """A generator in use.

    Attributes:
        engine: runs the generator.
        noise_sigma: standard deviation of the age codes' noise, which the method adds at inference too.
        photos: makes portraits of any photos for `age` and `video`.
    """

    engine: Engine
    noise_sigma: float
    photos: PhotoInput | None = None

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        checkpoints_dir: str | Path = "checkpoints",
        epoch: str = "latest",
        device: str | torch.device | None = None,
        precision: Precision = "fp32",
        engine: EngineName = "auto",
        face_parser: FaceParserName = "auto",
    ) -> "AgeTransformer":
        """The model in a folder of checkpoints, ready for `age` and `video`.

        Args:
            model: its name, which is its folder in `checkpoints_dir`, or the folder's own path.
            checkpoints_dir: holds the models.
            epoch: which of the model's weights.
            device: by default the first GPU, or else the CPU.
            precision: arithmetic of the networks.
            engine: runs the networks; auto takes the fastest that is installed.
            face_parser: cuts people out of photos; auto takes the published parser if it is installed.

        Raises:
            UserError: there is no such model (the message says what fetches it), or it cannot be loaded.
        """
        folder = Path(model) if is_model(Path(model)) else find_model(str(model), Path(checkpoints_dir))
        options = read_model_options(folder)
        chosen = choose_device((0,)) if device is None else torch.device(device)
        set_tf32(precision)
        transformer = cls.load(
            CheckpointFolder(folder).weights(epoch, options.network),
            options.generator_config,
            device=chosen,
            noise_sigma=options.noise_sigma,
            precision=precision,
            engine=engine,
        )
        return replace(transformer, photos=PhotoInput(options, face_parser, chosen))

    @classmethod
    def load(
        cls,
        weights: Path,
        config: GeneratorConfig,
        *,
        device: torch.device,
        noise_sigma: float,
        precision: Precision = "fp32",
        engine: EngineName = "auto",
        compile: bool = False,
    ) -> "AgeTransformer":
        """Reads the generator's weights; raises `UserError` as `models.engines.choose_engine`."""
        chosen = choose_engine(engine, weights, config, device=device, precision=precision, compile=compile)
        return cls(chosen, noise_sigma)

    def age(
        self,
        photo: Photo,
        ages: Sequence[float] | None = None,
        *,
        face: Literal["largest"] | int = "largest",
        aligned: bool = False,
        paste_back: bool = False,
        size: int | None = None,
        seed: int = 0,
    ) -> list[Image.Image]:
        """Pictures of the person at other ages.

        Args:
            photo: a path, a picture opened by Pillow, or (H, W, 3) uint8.
            ages: in years, from 0 to 120; by default one picture of each of the model's classes.
            face: which face of the photo; numbers count from the left, from 1.
            aligned: whether the photo is a portrait already: the file has a parsing map beside it, and a picture in
                memory is masked.
            paste_back: whether the pictures are the whole photo, with the aged head in it.
            size: pixels of the pictures; by default the model's own, or the photo's if they are pasted back.
            seed: of the age codes' noise.

        Raises:
            UserError: the photo cannot be read, does not show the face, or an age is out of range.
        """
        photos = self._photos()
        blends = photos.blends(ages)
        portrait = photos.portrait(photo, face=face, aligned=aligned)
        frames = self.frames(portrait.at_size(photos.to_model_size), blends, seed)
        if paste_back:
            frames = PastedPhoto([portrait], photos.to_model_size).series(frames)
        return [Image.fromarray(resize(frame, size)) for frame in frames]

    def video(
        self,
        photo: Photo,
        path: str | Path,
        ages: Sequence[float] | None = None,
        *,
        face: Literal["largest"] | int = "largest",
        aligned: bool = False,
        paste_back: bool = False,
        size: int | None = None,
        seed: int = 0,
        fps: Fraction | int = 20,
        crf: int = 16,
    ) -> Path:
        """Writes a video of the person growing old, by default of 101 frames; arguments are those of `age`.

        With `paste_back`, a larger photo is reduced to full HD.

        Args:
            path: ends in .mp4; an older file is replaced.
            fps: frames per second.
            crf: quality, from 1 (best) to 51.

        Returns:
            The path.
        """
        photos = self._photos()
        blends = traversal_blends(len(photos.model.sort_order), _VIDEO_STEP) if ages is None else photos.blends(ages)
        portrait = photos.portrait(photo, face=face, aligned=aligned)
        frames = self.frames(portrait.at_size(photos.to_model_size), blends, seed)
        if paste_back:
            frames = PastedPhoto([portrait], photos.to_model_size, MOST_SERIES_PIXELS).series(frames)
        write_video(Path(path), (resize(frame, size) for frame in frames), fps, crf)
        return Path(path)

    def frames(self, pixels: np.ndarray, blends: Tensor, seed: int) -> Iterator[np.ndarray]:
        """Yields the frames (H, W, 3) uint8 of one series."""
        return self.stream([Series(pixels, blends, seed)])

    def stream(self, series: Iterable[Series]) -> Iterator[np.ndarray]:
        """Yields the frames (H, W, 3) uint8 of many series in order.

        It makes a few at a time, of more than one series if need be, and takes the next series only when its frames
        are due. So memory grows with neither their number nor their length.
        """
        # Portraits of different sizes do not fit into one batch.
        for _, same_size in groupby(self._prepared(series), key=lambda prepared: prepared[0].shape):
            while batch := list(islice(same_size, self.engine.batch)):
                features, latents = zip(*batch, strict=True)
                yield from self.engine.decode(torch.stack(features), torch.stack(latents))

    def _prepared(self, series: Iterable[Series]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the features and the latent (256,) of each frame."""
        config = self.engine.config
        for each in series:
            rng = torch.Generator().manual_seed(each.seed)
            anchors = torch.arange(config.num_classes)
            codes = make_codes(anchors, config.num_classes, config.dim_per_class, rng, self.noise_sigma)
            latents = self.engine.latents(codes)
            (features,) = self.engine.encode(each.pixels[None])
            for latent in each.blends.to(latents.device) @ latents:
                yield features, latent

    def _photos(self) -> PhotoInput:
        if self.photos is None:
            raise TypeError(
                "this transformer takes portraits only; AgeTransformer.from_pretrained makes one for photos"
            )
        return self.photos
