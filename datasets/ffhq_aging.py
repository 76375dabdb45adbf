"""The raw layout of FFHQ-Aging, and which of its pictures are good enough to train on (spec/method.md section 6)."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from data.age_classes import CLUSTERS
from util.errors import UserError

FOLDER = "ffhq_aging256x256"
LABELS_FILE = "ffhq_aging_labels.csv"
_FACE = ("head_pitch", "head_roll", "head_yaw", "left_eye_occluded", "right_eye_occluded")
COLUMNS = ("image_number", "age_group", "age_group_confidence", "gender", "gender_confidence", *_FACE, "glasses")

_LEAST_AGE_CONFIDENCE = 0.6
_LEAST_GENDER_CONFIDENCE = 0.66
_MOST_PITCH, _MOST_YAW = 30, 40  # degrees
_MOST_OCCLUDED, _MOST_OF_THE_OTHER = 90, 50  # percent of an eye


@dataclass(frozen=True)
class FaceAttributes:
    """Angles in degrees, eyes' occlusion in percent, and what glasses are worn."""

    pitch: float
    yaw: float
    left_eye_occluded: float
    right_eye_occluded: float
    glasses: str


@dataclass(frozen=True)
class Labels:
    """A row of the CSV; `face` is None where no face attributes were found."""

    image: int
    cluster: str
    age_confidence: float
    gender: str
    gender_confidence: float
    face: FaceAttributes | None


class RowError(Exception):
    """A row that cannot be used; says which value is wrong."""


def image_path(number: int) -> Path:
    """Where a picture lies in the raw folder: 01000/01234.png."""
    return Path(f"{number // 1000:02d}000") / f"{number:05d}.png"


def read_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    """The rows of the CSV with their line numbers.

    Raises:
        UserError: the file is missing, is no CSV text, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"--labels_file {path}: no column {', '.join(missing)}; give FFHQ-Aging's label file")
            for row in reader:
                yield reader.line_num, row
    except OSError as error:
        raise UserError(f"--labels_file {path}: cannot be read ({error.strerror}); check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--labels_file {path}: not a CSV file ({error})") from error


def parse_row(row: Mapping[str, str | None]) -> Labels:
    """One row's values.

    Raises:
        RowError: a value is empty, missing, or not what its column holds.
    """
    cluster, gender = _text(row, "age_group"), _text(row, "gender").lower()
    if cluster not in CLUSTERS:
        raise RowError(f"age_group '{cluster}' is none of {', '.join(CLUSTERS)}")
    if gender not in ("male", "female"):
        raise RowError(f"gender '{gender}' is neither male nor female")
    number = _number(row, "image_number")
    if number < 0 or number != int(number):
        raise RowError(f"image_number '{row['image_number']}' is no whole number")
    angles, glasses = {name: _number(row, name) for name in _FACE}, _text(row, "glasses")
    # '-1' and '-1.0' both occur.
    found = any(value != -1 for value in angles.values()) or glasses not in ("-1", "-1.0")
    face = FaceAttributes(
        angles["head_pitch"], angles["head_yaw"], angles["left_eye_occluded"], angles["right_eye_occluded"], glasses
    )
    confidences = _number(row, "age_group_confidence"), _number(row, "gender_confidence")
    return Labels(int(number), cluster, confidences[0], gender, confidences[1], face if found else None)


def reason_to_drop(labels: Labels) -> str | None:
    """Why a picture is not good enough; None if it is."""
    if not labels.age_confidence > _LEAST_AGE_CONFIDENCE:
        return "age uncertain"
    if not labels.gender_confidence > _LEAST_GENDER_CONFIDENCE:
        return "gender uncertain"
    if labels.face is None:
        return None
    if not abs(labels.face.pitch) < _MOST_PITCH:
        return "looks up or down"
    if not abs(labels.face.yaw) < _MOST_YAW:
        return "looks aside"
    less, more = sorted((labels.face.left_eye_occluded, labels.face.right_eye_occluded))
    if not (less < _MOST_OF_THE_OTHER and more < _MOST_OCCLUDED):
        return "eyes occluded"
    return "dark glasses" if labels.face.glasses == "Dark" else None


def _text(row: Mapping[str, str | None], column: str) -> str:
    value = (row.get(column) or "").strip()
    if not value:
        raise RowError(f"no value in column {column}")
    return value


def _number(row: Mapping[str, str | None], column: str) -> float:
    text = _text(row, column)
    try:
        return float(text)
    except ValueError:
        raise RowError(f"{column} '{text}' is no number") from None
