"""The portraits of a synthetic population: which ones to draw, their labels, and how one is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from data.age_classes import ANCHORS, CLUSTERS, age_range, centre
from datasets import ffhq_aging
from datasets.renderer.identity import sample_identity
from datasets.renderer.portrait import draw
from util.images import write_image

OLDEST_DRAWN = 75


@dataclass(frozen=True)
class Job:
    """One portrait to draw: the person, the age in years, the number of the person's picture, and its file."""

    identity: int
    age: float
    picture: int
    path: Path


def write_portrait(job: Job, seed: int, size: int) -> None:
    """Draws a portrait and writes it with its parsing map, `parsings/<stem>.png` beside it."""
    # The processes of the pool already use all cores.
    cv2.setNumThreads(1)
    pixels, labels = draw(sample_identity(seed, job.identity), job.age, size, job.picture)
    write_image(job.path, pixels)
    write_image(job.path.parent / "parsings" / job.path.name, labels)


def class_jobs(
    out: Path,
    *,
    identities: int,
    seed: int = 0,
    pictures: int = 1,
    test_fraction: float = 0.0,
    together: bool = False,
    paired: bool = False,
) -> list[Job]:
    """Portraits for the training layout: `pictures` of each person in each anchor class.

    The last people of the population are test people; no training picture shows them. A person's training pictures
    differ in pose, light, clothes and age within the class. Test pictures of one person and number differ in age
    only, which is the centre of the class, so that each of them is the ground truth for the others. With `paired`,
    training pictures are made like test pictures. A file's name says whom it shows: `<identity>_<number>.png`.
    """
    first_test = identities - round(identities * test_fraction)
    jobs = []
    for identity in range(identities):
        rng = np.random.default_rng((seed, identity, 0xA6E5))
        gender = sample_identity(seed, identity).gender
        root = out if together else out / f"{gender}s"
        for index, name in enumerate(ANCHORS):
            low, high = age_range(name)
            for number in range(pictures):
                age = rng.uniform(low, high + 1)
                path = Path(name) / f"{identity:05d}_{number}.png"
                if identity < first_test and not paired:
                    picture = index * pictures + number
                    jobs.append(Job(identity, age, picture, root / f"train{path}"))
                else:
                    phase = "train" if identity < first_test else "test"
                    jobs.append(Job(identity, centre(name), number, root / f"{phase}{path}"))
    return jobs


def raw_jobs(out: Path, *, identities: int, seed: int = 0, pictures: int = 1) -> list[Job]:
    """Portraits for FFHQ-Aging's layout, `00000/00012.png`: each person in each of the ten age clusters.

    Pictures are numbered person by person, so that a split by number never divides a person's pictures.
    """
    jobs: list[Job] = []
    for identity in range(identities):
        rng = np.random.default_rng((seed, identity, 0xFF))
        for index, name in enumerate(CLUSTERS):
            low, high = age_range(name)
            for number in range(pictures):
                image = len(jobs)
                age = rng.uniform(low, min(high + 1, OLDEST_DRAWN))
                path = out / ffhq_aging.image_path(image)
                jobs.append(Job(identity, age, index * pictures + number, path))
    return jobs


def raw_labels(jobs: list[Job], seed: int) -> Iterator[list[object]]:
    """FFHQ-Aging's row for each portrait. create_dataset leaves out about a quarter of them for their values."""
    for image, job in enumerate(jobs):
        rng = np.random.default_rng((seed, image, 0xC5))
        cluster = next(name for name in CLUSTERS if age_range(name)[0] <= job.age < age_range(name)[1] + 1)
        sure, certain = rng.uniform(0.55, 1), rng.uniform(0.64, 1)
        row: list[object] = [
            image,
            cluster,
            f"{sure:.4f}",
            sample_identity(seed, job.identity).gender,
            f"{certain:.4f}",
        ]
        if rng.random() < 0.05:
            # The published file has these values if no face attributes were found.
            yield [*row, *[-1] * 5, -1]
            continue
        pitch, roll, yaw = rng.normal(0, (13, 4, 17))
        left, right = rng.uniform(0, 30, 2) + np.where(rng.random(2) < 0.05, 65, 0)
        glasses = str(rng.choice(("None", "Normal", "Dark"), p=(0.8, 0.17, 0.03)))
        yield [*row, *(f"{value:.2f}" for value in (pitch, roll, yaw, left, right)), glasses]
