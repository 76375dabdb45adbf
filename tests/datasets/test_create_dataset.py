"""Sorting FFHQ-Aging into training folders: each rule on both sides, and each kind of faulty row."""

import csv
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.age_classes import ANCHORS, CLUSTERS
from datasets.create_dataset import Tally, read_labels, sort_pictures, tally_table
from datasets.ffhq_aging import (
    COLUMNS,
    DateError,
    FaceAttributes,
    Labels,
    RowError,
    image_path,
    parse_row,
    read_rows,
    reason_to_drop,
)
from util.errors import UserError
from util.images import write_image

CREATE = "datasets/create_dataset.py"
FACE = FaceAttributes(pitch=0, yaw=0, left_eye_occluded=0, right_eye_occluded=0, glasses="None")
GOOD = Labels(7, "30-39", 0.9, "male", 0.9, FACE)
ROW = {
    "image_number": "7",
    "age_group": "30-39",
    "age_group_confidence": "0.9",
    "gender": "male",
    "gender_confidence": "0.95",
    "head_pitch": "-3.5",
    "head_roll": "1",
    "head_yaw": "12.0",
    "left_eye_occluded": "4.2",
    "right_eye_occluded": "61.0",
    "glasses": "Normal",
}
NO_FACE = dict.fromkeys(COLUMNS[5:], "-1")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"age_confidence": 0.6}, "age uncertain"),
        ({"age_confidence": 0.601}, None),
        ({"gender_confidence": 0.66}, "gender uncertain"),
        ({"gender_confidence": 0.661}, None),
        ({"pitch": 30}, "looks up or down"),
        ({"pitch": -30}, "looks up or down"),
        ({"pitch": 29.9}, None),
        ({"pitch": -29.9}, None),
        ({"yaw": 40}, "looks aside"),
        ({"yaw": -40}, "looks aside"),
        ({"yaw": -39.9}, None),
        ({"left_eye_occluded": 89.9, "right_eye_occluded": 49.9}, None),
        ({"left_eye_occluded": 49.9, "right_eye_occluded": 89.9}, None),
        ({"left_eye_occluded": 90}, "eyes occluded"),
        ({"right_eye_occluded": 90}, "eyes occluded"),
        ({"left_eye_occluded": 50, "right_eye_occluded": 50}, "eyes occluded"),
        ({"glasses": "Dark"}, "dark glasses"),
        ({"glasses": "Normal"}, None),
        ({"face": None}, None),
        ({"face": None, "age_confidence": 0.5}, "age uncertain"),
    ],
)
def test_each_rule_on_both_sides(change, reason):
    of_face = {name: value for name, value in change.items() if hasattr(FACE, name)}
    rest = {name: value for name, value in change.items() if name not in of_face}
    assert reason_to_drop(replace(GOOD, **{"face": replace(FACE, **of_face), **rest})) == reason


def test_rows_are_read_as_they_occur():
    assert parse_row(ROW) == Labels(7, "30-39", 0.9, "male", 0.95, FaceAttributes(-3.5, 12, 4.2, 61, "Normal"))
    assert parse_row({**ROW, **NO_FACE}).face is None
    assert parse_row({**ROW, **dict.fromkeys(COLUMNS[5:], "-1.0")}).face is None
    # A single value of -1 is a measurement.
    assert parse_row({**ROW, "head_yaw": "-1.0"}).face.yaw == -1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"age_group": ""}, "no value in column age_group"),
        ({"head_yaw": None}, "no value in column head_yaw"),
        ({"head_yaw": "left"}, "head_yaw 'left' is not a number"),
        ({"age_group": "5-50"}, "age_group '5-50'"),
        ({"gender": "unknown"}, "gender 'unknown'"),
        ({"image_number": "1.5"}, "image_number '1.5'"),
        ({"image_number": "-1"}, "image_number '-1'"),
        ({"image_number": "nan"}, "image_number 'nan' is not a number"),
        ({"gender_confidence": "607"}, "gender_confidence '607' is more than 1"),
    ],
)
def test_a_faulty_value_is_named(change, complaint):
    with pytest.raises(RowError, match=complaint):
        parse_row({**ROW, **change})


def write_labels(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def raw(tmp_path):
    """Six pictures: number 3 has no map, number 4 is missing, and number 1005 is in the second folder."""
    pixels = np.zeros((4, 4, 3), np.uint8)
    for number in (0, 1, 2, 3, 1005):
        path = tmp_path / "raw" / "ffhq_aging256x256" / image_path(number)
        write_image(path, pixels + number % 200)
        if number != 3:
            write_image(path.parent / "parsings" / path.name, pixels[..., 0])
    rows = [{**ROW, "image_number": str(number)} for number in (0, 1, 2, 3, 4, 1005)]
    rows[1] |= {"gender": "female", "age_group": "0-2"}
    rows[2] |= {"age_group": "20-29"}
    write_labels(tmp_path / "labels.csv", rows)
    return tmp_path / "raw"


def test_which_pictures_are_used_and_left_out(run, raw, tmp_path):
    done = run(CREATE, "--folder", "raw", "--labels_file", "labels.csv", "--train_split", 1000)
    made = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*males/*/*.png"))
    assert made == ["females/train0-2/00001.png", "males/test30-39/01005.png", "males/train30-39/00000.png"]
    for path in made:
        assert (tmp_path / path).parent.joinpath("parsings", Path(path).name).is_file()
    lines = [line.split() for line in done.stderr.splitlines()]
    head = next(line for line in lines if line[:2] == ["class", "gender"])
    assert head[2:] == ["train", "test", "map", "missing", "other", "class", "picture", "missing"]
    assert ["30-39", "male", "1", "1", "1", "0", "1"] in lines
    assert ["all", "2", "1", "1", "1", "1"] in lines


def test_another_split_never_mixes_with_what_is_there(run, raw, tmp_path):
    arguments = ["--folder", "raw/ffhq_aging256x256", "--labels_file", "labels.csv", "--out", "people"]
    run(CREATE, *arguments, "--train_split", 1000)
    first = {path: path.read_bytes() for path in (tmp_path / "people").rglob("*.png")}
    assert "--overwrite" in run(CREATE, *arguments, code=2).stderr
    assert {path: path.read_bytes() for path in (tmp_path / "people").rglob("*.png")} == first
    run(CREATE, *arguments, "--train_split", 1000, "--overwrite")
    assert {path: path.read_bytes() for path in (tmp_path / "people").rglob("*.png")} == first
    run(CREATE, *arguments, "--overwrite")
    assert [path.parent.name for path in (tmp_path / "people").glob("*/*/01005.png")] == ["train30-39"]
    assert sorted(path.name for path in (tmp_path / "people").iterdir()) == ["females", "males"]


def test_hard_links_take_no_space(run, raw, tmp_path):
    run(CREATE, "--folder", "raw", "--labels_file", "labels.csv", "--link")
    source = raw / "ffhq_aging256x256" / "00000" / "00000.png"
    mode = source.stat().st_mode
    assert (tmp_path / "males" / "train30-39" / "00000.png").samefile(source)
    run(CREATE, "--folder", "raw", "--labels_file", "labels.csv", "--link", "--overwrite")
    assert source.stat().st_mode == mode


def test_other_classes_can_be_asked_for(run, raw, tmp_path):
    run(CREATE, "--folder", "raw", "--labels_file", "labels.csv", "--classes", "20-29")
    assert [path.name for path in (tmp_path / "males").glob("t*")] == ["train20-29"]


def test_faulty_rows_are_named_and_left_out(raw, tmp_path, caplog):
    rows = [{**ROW, "image_number": "0"}] + [{**ROW, "image_number": "1", "head_yaw": ""}] * 7
    path = write_labels(tmp_path / "faulty.csv", rows)
    with path.open("a") as file:
        file.write("2,30-39\n")
    tally = Tally()
    with caplog.at_level(logging.WARNING):
        labels = read_labels(path, tally)
    assert len(sort_pictures(raw / "ffhq_aging256x256", labels, 69000, ANCHORS, tally)) == 1
    assert "faulty.csv, line 3: no value in column head_yaw" in caplog.text
    assert caplog.text.count("left out") == 8
    assert tally_table(tally).splitlines()[2].split() == ["?", "?", "0", "0", "8"]


@pytest.mark.parametrize(
    ("column", "text", "is_date"),
    [
        *(
            ("age_group", text, True)
            for text in ("06-Mar", "9. Jul", "Mär 06", "Mar-06", "3/6", "2024-03-06 00:00:00")
        ),
        ("head_yaw", "12.Apr", True),
        ("age_group", "5-50", False),
        ("age_group", "adult", False),
        ("head_yaw", "left", False),
    ],
)
def test_what_a_spreadsheet_has_changed_is_known(column, text, is_date):
    with pytest.raises(RowError) as error:
        parse_row({**ROW, column: text})
    assert isinstance(error.value, DateError) == is_date


def test_dates_are_reported_in_one_line(tmp_path, caplog):
    changed = {"3-6": "06-Mar", "7-9": "09-Jul"}
    rows = [
        {**ROW, "image_number": str(number), "age_group": changed.get(CLUSTERS[number % 10], CLUSTERS[number % 10])}
        for number in range(60)
    ]
    tally = Tally()
    labels = read_labels(write_labels(tmp_path / "dates.csv", rows), tally)
    assert len(labels) == 48
    (warning,) = caplog.messages
    assert "dates in 12 lines, such as age_group '06-Mar' in line 3;" in warning


def test_a_repeated_picture_counts_once(tmp_path, caplog):
    rows = [{**ROW, "image_number": number} for number in ("0", "1", "00001.png", "2", "2", "3")]
    rows[1]["glasses"] = "Dark"
    rows[4]["gender"] = "female"
    tally = Tally()
    labels = read_labels(write_labels(tmp_path / "repeated.csv", rows), tally)
    assert list(labels) == [0, 1, 3]
    assert labels[1].face is not None
    assert labels[1].face.glasses == "Dark"
    assert [message.split(": ")[1].split(";")[0] for message in caplog.messages] == [
        "repeats picture 1",
        "picture 2 has another gender or age group in an earlier line",
    ]
    assert tally == {("?", "?", "contradictory rows"): 1}


@pytest.mark.parametrize(
    ("delimiter", "encoding"),
    [(",", "utf-8"), (",", "utf-8-sig"), (";", "cp1252"), (";", "utf-8-sig"), ("\t", "utf-16")],
)
def test_what_excel_saves_is_read(tmp_path, delimiter, encoding):
    decimal = "." if delimiter == "," else ","
    lines = [COLUMNS, [value.replace(".", decimal) for value in ROW.values()]]
    path = tmp_path / "labels.csv"
    path.write_text("\r\n".join(delimiter.join(line) for line in lines), encoding=encoding, newline="")
    ((line, row),) = read_rows(path)
    assert line == 2
    assert parse_row(row) == parse_row(ROW)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--folder", "raw", "--labels_file", "nothing.csv"], "--labels_file nothing.csv"),
        (["--folder", "nowhere", "--labels_file", "labels.csv"], "--folder nowhere"),
        (["--folder", "raw", "--labels_file", "short.csv"], "no column image_number"),
        (["--folder", "raw", "--labels_file", "binary.csv"], "binary.csv"),
        (["--folder", "empty", "--labels_file", "labels.csv"], "no picture of"),
        (["--folder", "raw", "--labels_file", "labels.csv", "--classes", "1-99"], "--classes 1-99"),
        (["--folder", "raw", "--labels_file", "labels.csv", "--workers", "0"], "--workers"),
        *(
            (
                ["--folder", "raw", "--labels_file", "labels.csv", "--train_split", split],
                f"--train_split {split}: must be from 0 to 70000",
            )
            for split in ("-1", "70001", "99999999")
        ),
    ],
)
def test_a_mistake_is_reported(run, raw, tmp_path, arguments, complaint):
    (tmp_path / "empty").mkdir()
    (tmp_path / "short.csv").write_text("number,age\n1,2\n")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    done = run(CREATE, *arguments, code=2)
    assert complaint in done.stderr
    assert not (tmp_path / "males").exists()


@pytest.mark.parametrize(
    "text",
    [
        *("Mar-06", "3/6/2024", "06.03.2024", "2024/03/06", "2024-03-06 00:00:00", "3-6-2024", "03-06", "45357"),
        *("2024-03-06T00:00:00", "06.03.", "2003-06", "3월 6일"),
        *("March 6, 2024", "Wednesday, March 6, 2024", "3月6日"),
    ],
)
def test_dates_of_any_language_and_style_are_known_for_what_they_are(text):
    with pytest.raises(DateError, match=text):
        parse_row({**ROW, "age_group": text})


@pytest.mark.parametrize("text", ["3-6", "3\u20136", "3 - 6", " 3\u22126 ", "'3-6", '="3-6"'])
def test_age_groups_with_any_dash(text):
    assert parse_row({**ROW, "age_group": text}).cluster == "3-6"


@pytest.mark.parametrize(
    ("column", "text", "attribute", "value"),
    [
        ("gender", "M", "gender", "male"),
        ("gender", " Female", "gender", "female"),
        ("image_number", "00012.PNG", "image", 12),
        ("image_number", "00000/00012.png", "image", 12),
        ("image_number", "12.jpg", "image", 12),
        ("image_number", "12.0", "image", 12),
        ("image_number", "12,0", "image", 12),
        ("age_group_confidence", "0,607", "age_confidence", 0.607),
        ("glasses", "", "face", replace(FACE, pitch=-3.5, yaw=12, left_eye_occluded=4.2, right_eye_occluded=61)),
    ],
)
def test_values_as_other_programs_write_them(column, text, attribute, value):
    assert getattr(parse_row({**ROW, column: text}), attribute) == value


@pytest.mark.parametrize(
    ("column", "text"),
    # A thousands separator must not turn picture 12000 into picture 12.
    [("image_number", "12.000"), ("image_number", "12,000"), ("head_yaw", "1614"), ("left_eye_occluded", "2300")],
)
def test_values_out_of_range_are_not_taken(column, text):
    with pytest.raises(RowError, match=text):
        parse_row({**ROW, column: text})


def test_the_head_of_the_table_in_another_order_and_spelling(tmp_path):
    names = {name.replace("_", " ").title(): name for name in reversed(COLUMNS)}
    path = tmp_path / "labels.csv"
    values = ",".join(ROW[name] for name in names.values())
    blank = "," * len(names)
    path.write_text(f"{','.join(names)},More\n{values},1\n{blank}\n{values},\n")
    rows = [(line, parse_row(row).image) for line, row in read_rows(path)]
    assert rows == [(2, 7), (4, 7)]
    path.write_text(f"{','.join(COLUMNS)},Gender\n")
    with pytest.raises(UserError, match="2 columns gender"):
        list(read_rows(path))
