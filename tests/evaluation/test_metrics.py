"""Metrics with known answers."""

import numpy as np
import pytest

from evaluation.metrics import estimated_age, l1, nearest, psnr, sharpness, ssim

AGES = [1.5, 17.5, 60.0]
ALL = np.ones((16, 16), bool)


def test_distances_inside_a_mask():
    black, grey = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 51, np.uint8)
    assert l1(grey, black, ALL) == pytest.approx(0.2)
    assert psnr(grey, black, ALL) == pytest.approx(13.979, abs=1e-3)
    assert psnr(grey, grey, ALL) == pytest.approx(48.131, abs=1e-3)
    half = grey.copy()
    half[:8] = 0
    below = half[..., 0] == 51
    assert psnr(half, grey, below) == pytest.approx(48.131, abs=1e-3)
    assert ssim(half, grey, np.arange(16)[:, None] >= np.full((1, 16), 13)) == pytest.approx(1)
    assert ssim(half, grey, ~below) < 0.5
    assert l1(half, black, ~np.eye(16, dtype=bool)) == pytest.approx(0.1)
    assert l1(half, black, half[..., 0] == 0) == 0


def test_structural_similarity():
    rng = np.random.default_rng(0)
    noise, other = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    mask = np.ones((32, 32), bool)
    assert ssim(noise, noise, mask) == pytest.approx(1)
    assert abs(ssim(noise, other, mask)) < 0.1
    # Of two flat pictures only the means count: (2xy + c1) / (x^2 + y^2 + c1).
    x, y = np.full((32, 32, 3), 100, np.uint8), np.full((32, 32, 3), 50, np.uint8)
    assert ssim(x, y, mask) == pytest.approx((10000 + 6.5025) / (12500 + 6.5025), rel=1e-6)


def test_a_blurred_picture_is_not_sharp_however_near_it_is():
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = 200
    blurred, shifted = np.full_like(stripes, 100), np.roll(stripes, 1, axis=1)
    assert l1(blurred, stripes, ALL) < l1(shifted, stripes, ALL)
    assert [sharpness(picture, stripes, ALL) for picture in (stripes, shifted, blurred)] == [1, 1, 0]
    assert sharpness(stripes // 2, stripes, ALL) == pytest.approx(0.5)
    # Of two neighbours, both must be in the mask.
    left = np.arange(16)[None] < np.full((16, 1), 8)
    half = np.where(left[..., None], stripes, 50).astype(np.uint8)
    assert sharpness(half, stripes, left) == 1
    assert sharpness(blurred, blurred, ALL) == 1


def test_age_by_the_place_between_true_pictures():
    truths = np.zeros((3, 4, 4, 3), np.uint8)
    truths[1, 0], truths[2] = 100, 200
    assert [estimated_age(truth, truths, AGES) for truth in truths] == AGES
    between = truths[1].copy()
    between[0] = 25
    assert estimated_age(between, truths, AGES) == pytest.approx(1.5 + 16 / 4)
    assert nearest(between, truths) == 0
