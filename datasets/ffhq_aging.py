"""The raw layout of FFHQ-Aging, and which of its pictures are good enough to train on (docs/method.md, Data)."""

import codecs
import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from data.age_classes import CLUSTERS
from util.errors import UserError

PICTURES = 70000
FOLDER = "ffhq_aging256x256"
LABELS_FILE = "ffhq_aging_labels.csv"
_FACE = ("head_pitch", "head_roll", "head_yaw", "left_eye_occluded", "right_eye_occluded")
COLUMNS = ("image_number", "age_group", "age_group_confidence", "gender", "gender_confidence", *_FACE, "glasses")

_LEAST_AGE_CONFIDENCE = 0.6
_LEAST_GENDER_CONFIDENCE = 0.66
_MOST_PITCH, _MOST_YAW = 30, 40  # degrees
_MOST_OCCLUDED, _MOST_OF_THE_OTHER = 90, 50  # percent of an eye
# What spreadsheets turn '3-6' or '12.4' into, in most languages: 06-Mar, 6. Mrz, Mar 06, 3/6, 06.03.2024, 2024-03-06.
_DATE = re.compile(
    r"\d{1,2}[-./ ]+[^\W\d_]{3,}.*|[^\W\d_]{3,}[-./ ]+\d+|\d{1,2}[/.]\d{1,2}([/.]\d{2,4})?|\d{4}-\d\d-\d\d.*"
)


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
    """A row of the CSV; `face` is None if no face attributes were found."""

    image: int
    cluster: str
    age_confidence: float
    gender: str
    gender_confidence: float
    face: FaceAttributes | None


class RowError(Exception):
    """A row that cannot be used; says which value is wrong."""


class DateError(RowError):
    """A row in which a spreadsheet has changed a value into a date."""


def image_path(number: int) -> Path:
    """Where a picture is in the raw folder: 01000/01234.png."""
    return Path(f"{number // 1000:02d}000") / f"{number:05d}.png"


def read_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    """The rows of the CSV with their line numbers.

    The published file has commas. What Excel saves is read, too: semicolons or tabs between the values, with commas
    in the numbers, and UTF-16 text.

    Raises:
        UserError: the file is missing, is not CSV text, or lacks a column.
    """
    try:
        content = path.read_bytes()
        utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = io.StringIO(content.decode("utf-16" if utf_16 else "utf-8-sig"), newline="")
        head = text.readline()
        delimiter = max(",;\t", key=head.count)
        text.seek(0)
        reader = csv.DictReader(text, delimiter=delimiter)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise UserError(f"--labels_file {path}: no column {', '.join(missing)}; give FFHQ-Aging's label file")
        for row in reader:
            if delimiter != ",":
                row = {name: value.replace(",", ".") if value else value for name, value in row.items() if name}
            yield reader.line_num, row
    except OSError as error:
        raise UserError(f"--labels_file {path}: cannot be read ({error.strerror}); check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"--labels_file {path}: not CSV text in UTF-8 or UTF-16 ({error}); give FFHQ-Aging's label file"
        ) from error


def parse_row(row: Mapping[str, str | None]) -> Labels:
    """One row's values.

    Raises:
        DateError: a spreadsheet has changed a value into a date.
        RowError: a value is empty, missing, or not what its column holds.
    """
    cluster, gender = _text(row, "age_group"), _text(row, "gender").lower()
    if cluster not in CLUSTERS:
        raise _fault("age_group", cluster, f"none of {', '.join(CLUSTERS)}")
    if gender not in ("male", "female"):
        raise RowError(f"gender '{gender}' is neither male nor female")
    number = _number({"image_number": _text(row, "image_number").lower().removesuffix(".png")}, "image_number")
    if number < 0 or number != int(number):
        raise RowError(f"image_number '{row['image_number']}' is not a whole number from 0")
    angles, glasses = {name: _number(row, name) for name in _FACE}, _text(row, "glasses")
    # Both '-1' and '-1.0' occur in the published file.
    found = any(value != -1 for value in angles.values()) or glasses not in ("-1", "-1.0")
    face = FaceAttributes(
        angles["head_pitch"], angles["head_yaw"], angles["left_eye_occluded"], angles["right_eye_occluded"], glasses
    )
    confidences = _confidence(row, "age_group_confidence"), _confidence(row, "gender_confidence")
    return Labels(int(number), cluster, confidences[0], gender, confidences[1], face if found else None)


def reason_to_drop(labels: Labels) -> str | None:
    """Why a picture is not good enough to train on; None if it is."""
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
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _fault(column, text, "not a number")
    return number


def _confidence(row: Mapping[str, str | None], column: str) -> float:
    number = _number(row, column)
    # A spreadsheet that reads the point as a separator of thousands turns 0.607 into 607.
    if number > 1:
        raise RowError(f"{column} '{row[column]}' is more than 1")
    return number


def _fault(column: str, text: str, is_wrong: str) -> RowError:
    if _DATE.fullmatch(text):
        return DateError(f"{column} '{text}'")
    return RowError(f"{column} '{text}' is {is_wrong}")
