"""Confidence intervals over people, with known answers."""

import warnings

import numpy as np
import pytest

from evaluation.intervals import Figure, mean_over_people
from evaluation.pages import chart_over_ages

# The truth is 3; the shape is skewed, as errors in years are.
DRAWS = np.random.default_rng(0).gamma(2, 1.5, (40, 50))


def width(figure):
    return figure.interval[1] - figure.interval[0]


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    found = [mean_over_people(draw) for draw in DRAWS]
    covered = [figure.interval[0] <= 3 <= figure.interval[1] for figure in found]
    assert 0.85 <= np.mean(covered) < 1
    assert all(figure.interval[0] < figure.value < figure.interval[1] for figure in found)


def test_the_interval_is_that_of_the_normal_distribution_for_many_people():
    samples = DRAWS.ravel()
    figure = mean_over_people(samples)
    assert figure.value == pytest.approx(samples.mean())
    assert figure.count == 2000
    assert width(figure) == pytest.approx(2 * 1.96 * samples.std() / np.sqrt(2000), rel=0.03)


def test_the_interval_shrinks_with_the_root_of_the_number_of_people():
    few, many = np.tile(DRAWS[0], 1), np.tile(DRAWS[0], 16)
    assert width(mean_over_people(few)) / width(mean_over_people(many)) == pytest.approx(4, rel=0.1)


def test_the_interval_is_the_same_every_time():
    assert mean_over_people(DRAWS[0]) == mean_over_people(list(DRAWS[0]))


@pytest.mark.parametrize("value", [0.0, 1.0, 48.1308, 1 / 3])
def test_equal_samples_have_an_interval_without_width(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mean_over_people([value] * 9) == Figure(pytest.approx(value), 9, pytest.approx((value, value)))
        nearly = mean_over_people([value, value + 1e-13, value])
    assert nearly.interval == pytest.approx((value, value))


@pytest.mark.parametrize("samples", [[0.0, 1.0], [1.0] * 59 + [0.96], [0.0, 0.0, 1.0]])
def test_few_or_hardly_different_samples_have_finite_intervals(samples):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = mean_over_people(samples).interval
    assert min(samples) <= low < high <= max(samples)


def test_nobody_has_no_mean_and_one_person_no_interval():
    assert mean_over_people([]) is None
    assert mean_over_people([0.5]) == Figure(0.5, 1)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(0.92133, 60, (0.90204, 0.93871)), "0.921 [0.902, 0.939]"),
        (Figure(23.8236, 60, (23.51, 24.1)), "23.8 [23.5, 24.1]"),
        (Figure(0.042789, 60, (0.0405, 0.04511)), "0.0428 [0.0405, 0.0451]"),
        (Figure(1.0, 60, (1.0, 1.0)), "1.00 [1.00, 1.00]"),
        (Figure(0.0, 60, (0.0, 0.0)), "0.00 [0.00, 0.00]"),
        (Figure(0.9927, 60, (0.989, 1.0)), "0.993 [0.989, 1.000]"),
        (Figure(1234.5, 60), "1234"),
        (Figure(0.000012, 60), "0.0000"),
    ],
)
def test_figures_are_written_with_three_digits(figure, text):
    assert str(figure) == text


def test_a_curve_may_have_gaps_or_no_point_at_all():
    curves, counts = {"model": [2.0, None, 50.0], "none": [None] * 3}, {"model": [3, 0, 1], "none": [0] * 3}
    page = str(chart_over_ages("Age", [1.5, 17.5, 60.0], curves, "years", counts=counts))
    assert "Age" in page
    assert "svg" in page
    assert chart_over_ages("Age", [1.5], {"none": [None]}, "years", counts={"none": [0]})
