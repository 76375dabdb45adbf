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
_MOST_OCCLUDED, _OTHER_EYE_MOST_OCCLUDED = 90, 50  # percent of an eye
# Spreadsheets turn '3-6' or '12.4' into dates, in the user's language: 06-Mar, 6. Mrz, March 6, 2024, 3月6日, 3/6,
# 06.03.2024, 2024-03-06, or the number of days since 1900.
_DATE = re.compile(
    r"\d{1,2}[-./ ]+[^\W\d_]{3,}.*|[^\W\d_]{3,}[-./, ]+(.+ )?\d.*|.*\d[月월] ?\d+[日일].*|\d{1,2}[/.]\d{1,2}\.?"
    r"|\d{1,4}([-./])\d{1,2}\2\d{1,4}(\b|T).*|(20)?0\d-\d\d|\d{5}([.,]0+)?"
)
_NUMBER = re.compile(r"(?:.*/)?(\d{1,9})(?:[.,]0{1,2})?(?:\.(?:png|jpe?g))?", re.ASCII)
_GENDERS = {"male": "male", "m": "male", "female": "female", "f": "female"}
# The largest value that a column can have. A spreadsheet that takes the point for a thousands separator turns 0.607
# into 607.
_LARGEST = {"age_group_confidence": 1, "gender_confidence": 1, "left_eye_occluded": 100, "right_eye_occluded": 100}


@dataclass(frozen=True)
class FaceAttributes:
    """Angles in degrees, occlusion of the eyes in percent, and the kind of glasses."""

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
    """A row that cannot be used; the message says which value is wrong."""


class DateError(RowError):
    """A row in which a spreadsheet has changed a value into a date."""


def image_path(number: int) -> Path:
    """The path of a picture in the raw folder: 01000/01234.png."""
    return Path(f"{number // 1000:02d}000") / f"{number:05d}.png"


def read_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    """The rows of the CSV with their line numbers.

    The published file separates values by commas. Excel may save semicolons or tabs, decimal commas and UTF-16 text;
    these are read as well.

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
        reader.fieldnames = [re.sub(r"\W+", "_", name.strip().lower()) for name in reader.fieldnames or ()]
        for name in COLUMNS:
            if (times := reader.fieldnames.count(name)) != 1:
                found = f"{times} columns" if times else "no column"
                raise UserError(f"--labels_file {path}: {found} {name}; give FFHQ-Aging's label file")
        for row in reader:
            # Spreadsheets may append lines without values.
            if any(row.get(name) for name in COLUMNS):
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
        RowError: a value is missing or does not fit its column.
    """
    age, gender, image = (_text(row, column) for column in ("age_group", "gender", "image_number"))
    # People type any Unicode dash, and an apostrophe or ="3-6", which keep a spreadsheet from making a date.
    cluster = re.sub(r"\s*[-\u2010-\u2015\u2212]\s*", "-", age).strip("='\"` ")
    if cluster not in CLUSTERS:
        raise _fault("age_group", age, f"none of {', '.join(CLUSTERS)}")
    if gender.lower() not in _GENDERS:
        raise RowError(f"gender '{gender}' is neither male nor female")
    number = _NUMBER.fullmatch(image.lower())
    if not number:
        raise _fault("image_number", image, "not a number such as 12")
    # Programs that read 'None' as a missing value save an empty field of glasses.
    angles, glasses = {name: _number(row, name) for name in _FACE}, (row.get("glasses") or "None").strip()
    # Both '-1' and '-1.0' occur in the published file.
    found = any(value != -1 for value in angles.values()) or glasses not in ("-1", "-1.0")
    face = FaceAttributes(
        angles["head_pitch"], angles["head_yaw"], angles["left_eye_occluded"], angles["right_eye_occluded"], glasses
    )
    confidences = _number(row, "age_group_confidence"), _number(row, "gender_confidence")
    return Labels(
        int(number[1]), cluster, confidences[0], _GENDERS[gender.lower()], confidences[1], face if found else None
    )


def reason_to_drop(labels: Labels) -> str | None:
    """Why a picture is not good enough for training; None if it is."""
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
    if not (less < _OTHER_EYE_MOST_OCCLUDED and more < _MOST_OCCLUDED):
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
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _fault(column, text, "not a number")
    largest = _LARGEST.get(column, 180)
    if number > largest:
        raise _fault(column, text, f"more than {largest}")
    return number


def _fault(column: str, text: str, is_wrong: str) -> RowError:
    if _DATE.fullmatch(text):
        return DateError(f"{column} '{text}'")
    return RowError(f"{column} '{text}' is {is_wrong}")
