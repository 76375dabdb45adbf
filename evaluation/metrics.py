"""How close a picture is to a person's true pictures. Pictures are (H, W, 3) uint8, masks (H, W) bool."""

from collections.abc import Sequence

import cv2
import numpy as np


def l1(made: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute difference inside the mask, from 0 to 1."""
    return float(_difference(made, truth)[mask].mean())


def psnr(made: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Peak signal-to-noise ratio inside the mask, in dB.

    Equal pictures get 48.13 instead of infinity: the ratio of pictures that differ by one grey level.
    """
    mean_square = float(np.square(_difference(made, truth)[mask]).mean())
    return float(-10 * np.log10(max(mean_square, 1 / 255**2)))


def ssim(made: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Structural similarity of the grey pictures (Wang et al. 2004: 11x11, sigma 1.5), averaged inside the mask."""
    x, y = (cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64) for pixels in (made, truth))

    def blur(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (11, 11), 1.5)

    mean_x, mean_y = blur(x), blur(y)
    variances = blur(x * x) - mean_x**2 + blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variances + c2)
    return float(similarity[mask].mean())


def sharpness(made: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """How much grey values differ between neighbouring pixels of the mask, as a share of the truth's differences.

    A blurred picture has less than 1, though it can be nearer to the truth than a sharp one that is a little off.
    A flat truth, which nothing can blur, gives 1.
    """
    made_edges, true_edges = (_edges(pixels, mask) for pixels in (made, truth))
    return made_edges / true_edges if true_edges else 1.0


def nearest(made: np.ndarray, candidates: np.ndarray) -> int:
    """Index of the candidate (N, H, W, 3) with the least mean absolute difference."""
    return int(np.argmin([cv2.norm(made, candidate, cv2.NORM_L1) for candidate in candidates]))


def estimated_age(made: np.ndarray, truths: np.ndarray, ages: Sequence[float]) -> float:
    """The age of a picture in years, read off a person's true pictures (C, H, W, 3) at ascending `ages`.

    The true pictures are the corners of a path of straight pieces. The age is interpolated at the point of the path
    that is nearest to the picture.
    """
    point = made.astype(np.float64).ravel()
    path = truths.reshape(len(truths), -1).astype(np.float64)
    best = (np.inf, ages[0])
    for start, end, young, old in zip(path, path[1:], ages, ages[1:], strict=False):
        along = end - start
        share = float(np.clip((point - start) @ along / max(float(along @ along), 1e-12), 0, 1))
        best = min(best, (float(np.linalg.norm(point - start - share * along)), young + share * (old - young)))
    return best[1]


def _edges(pixels: np.ndarray, mask: np.ndarray) -> float:
    """The sum of absolute differences between neighbouring grey values that both lie in the mask."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)
    down = np.abs(np.diff(grey, axis=0))[mask[1:] & mask[:-1]].sum()
    across = np.abs(np.diff(grey, axis=1))[mask[:, 1:] & mask[:, :-1]].sum()
    return float(down + across)


def _difference(made: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.abs(made.astype(np.float64) - truth) / 255
