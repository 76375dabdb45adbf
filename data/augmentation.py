"""Changes inputs of training whose targets stay clean, so that a model can read pictures unlike its own."""

from dataclasses import dataclass

import cv2
import numpy as np

from data.masking import MASK_COLOR

# The largest changes. Factors are of the colours, lengths are shares of the picture's side.
_GAIN, _TINT, _GAMMA = 0.2, 0.08, 0.25
_LIGHT = (0.35, 0.2)  # across and down: a lamp at one side, or above
_TEXTURES = {8: 0.06, 32: 0.05}  # patches in a side
_BLUR, _NOISE = 0.012, 0.03
_TURN, _SHIFT = 6.0, 0.03  # degrees
_ZOOM = (0.9, 1.3)


@dataclass(frozen=True)
class Augmentation:
    """Changes tones, light, texture, sharpness, noise, place and size of masked pictures.

    Attributes:
        share: of the pictures that are changed.
    """

    share: float

    def __call__(self, pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(H, W, 3) uint8 -> a picture of the same shape. What the mask has made grey stays grey."""
        if rng.random() >= self.share:
            return pixels
        height, width = pixels.shape[:2]
        shaded = pixels.astype(np.float32) / 255 * _shading(height, width, rng)
        toned = np.clip(shaded, 0, 1) ** np.exp(rng.uniform(-_GAMMA, _GAMMA))
        blurred = cv2.GaussianBlur(toned, (0, 0), rng.uniform(0.1, 1) * _BLUR * height)
        noisy = blurred + rng.uniform(0, _NOISE) * rng.standard_normal(pixels.shape)
        head = (pixels != MASK_COLOR).any(axis=2)
        gray = np.full_like(pixels, MASK_COLOR)
        changed = cv2.copyTo((np.clip(noisy, 0, 1) * 255).astype(np.uint8), head.view(np.uint8), gray)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-_TURN, _TURN), rng.uniform(*_ZOOM))
        shift = rng.uniform(-_SHIFT, _SHIFT, (2, 1)) * [[width], [height]]
        move = turn + np.hstack([np.zeros((2, 2)), shift])
        return cv2.warpAffine(changed, move, (width, height), borderValue=(MASK_COLOR,) * 3)


def _shading(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Factors of the colours (H, W, 3): those of exposure and tint, of light from a side, and of uneven skin."""
    across, down = (rng.uniform(-most, most) for most in _LIGHT)
    factors = 1 + across * np.linspace(-1, 1, width)[None, :] + down * np.linspace(-1, 1, height)[:, None]
    for patches, most in _TEXTURES.items():
        spots = rng.uniform(0, most) * rng.standard_normal((patches, patches))
        factors = factors * (1 + cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC))
    tones = (1 + rng.uniform(-_GAIN, _GAIN)) * (1 + rng.uniform(-_TINT, _TINT, 3))
    return (factors[..., None] * tones).astype(np.float32)
