"""evaluate.py: scores with known answers, and the command on people of our own."""

import json
import sys

import numpy as np
import pytest

import evaluate
from data.classes import find_classes
from data.transforms import Transform
from datasets.population import Job, write_portrait
from evaluation.intervals import Figure
from evaluation.judge import Judge, Judgement, log_age
from evaluation.metrics import l1
from evaluation.pages import best_median_worst, table_text
from evaluation.paired import crossfade, figures, monotone_steps, nearest_training_person, score
from evaluation.pasted import pasted_l1
from evaluation.people import Person, read_people
from evaluation.photos import JudgedPhoto, JudgedPicture, photo_figures, photo_scores, write_photo_report
from models.age_code import traversal_blends
from tests.conftest import CLASSES, ROOT, write_dataset
from util.html import Picture
from util.images import read_image, write_image

AGES = [1.5, 17.5, 60.0]


@pytest.fixture
def people():
    """Eight people of random shades; ageing adds the same to everybody, less than people differ by."""
    rng = np.random.default_rng(0)
    return [
        Person(
            str(index), np.stack([face + 4 * age for age in range(3)]).astype(np.uint8), np.ones((3, 16, 16), bool)
        )
        for index, face in enumerate(rng.integers(0, 120, (8, 16, 16, 3)))
    ]


def test_scores_of_what_is_seen_in_photos():
    near, far = np.zeros(128), np.full(128, 0.1)
    truth = Judgement(30.0, near)
    young = photo_scores(
        [JudgedPicture("0-2", truth, Judgement(2.0, near)), JudgedPicture("0-2", truth, Judgement(4.5, far))]
    )
    old = photo_scores([JudgedPicture("15-19", truth, None), JudgedPicture("15-19", truth, Judgement(18.0, far))])
    assert (young.face_found, young.age_error, young.age_inside, young.same_person) == (1, 1.75, 0.5, 0.5)
    assert (old.face_found, old.age_error, old.age_inside, old.same_person) == (0.5, 0.5, 1, 0)
    assert old.identity_distance == pytest.approx(np.sqrt(128) / 10)
    assert young.age == 3.25
    nobody = photo_scores([JudgedPicture("0-2", truth, None)])
    assert (nobody.face_found, nobody.age_error, nobody.same_person) == (0, None, None)


def judged_photo(label, *seen):
    """A photo and its picture at 15-19 with the ages seen in it; None stands for no face."""
    made = [None if age is None else Judgement(age, np.zeros(128)) for age in seen]
    judged = [JudgedPicture("15-19", Judgement(30.0, np.zeros(128)), judgement) for judgement in made]
    return JudgedPhoto(label, [Picture(f"images/{label}.png", label)] * 2, judged)


def photo_page(folder, photos, distances=None):
    facts = {"model": "model", "data set": "photos.txt", "seed": 7, "date": "2026-01-02"}
    table = write_photo_report(folder, facts, {"15-19": 17.5}, photos, distances or {})
    return table, json.loads((folder / "evaluation.json").read_text()), (folder / "index.html").read_text()


def test_figures_of_photos_are_means_over_photos():
    """A photo with more pictures, or more faces found, weighs no more than another."""
    photos = [judged_photo("a", 17.5, 19.5), judged_photo("b", 23.5, None), judged_photo("c", None, None)]
    found = photo_figures([photo.judged for photo in photos])
    assert (found["face_found"].value, found["face_found"].count) == (pytest.approx(0.5), 3)
    assert (found["age_error"].value, found["age_error"].count) == (pytest.approx((1 + 6) / 2), 2)
    assert found["age_error"].interval == (1, 6)


def test_the_page_of_photos_shows_each_photo_once(tmp_path):
    ages = {"nobody": None, "off": 37.5, "right": 17.5, "worse": 40.5, "near": 19.5}
    photos = [judged_photo(label, seen) for label, seen in ages.items()]
    table, report, page = photo_page(tmp_path, photos, {"fid": 3.0})
    assert table["model"]["fid"].value == report["overall"]["model"]["fid"] == 3
    assert report["intervals"]["model"]["fid"] is None
    assert table["model"]["age_error"].value == report["overall"]["model"]["age_error"] == (20 + 0 + 23 + 2) / 4
    assert report["counts"]["model"]["age_error"] == 4
    low, high = report["intervals"]["model"]["age_error"]
    assert 0 <= low < 11.25 < high <= 23
    for line in (
        "The best of 5: right, 0.0 years off, a face in 1 of 1 pictures",
        "The median of 5: off, 20.0 years off, a face in 1 of 1 pictures",
        "The worst of 5: nobody, no face found",
        "Pictures with a face, of 5 for each target age: 15-19: 4.",
        "n = 5 where a figure does not say otherwise.",
        '<small style="white-space: nowrap">n = 4</small>',
        "photos.txt",
        "2026-01-02",
    ):
        assert line in page
    order = ("right", "off", "nobody", "near", "worse")
    places = [page.index(f'src="images/{label}.png"') for label in order]
    assert places == sorted(places)
    # A row holds the photo and the one picture made of it.
    assert all(page.count(f'src="images/{label}.png"') == 2 for label in order)


def test_a_single_photo_without_a_face_in_what_was_made(tmp_path):
    table, report, page = photo_page(tmp_path, [judged_photo("one", None)])
    assert (table["model"]["face_found"], table["model"]["age_error"]) == (Figure(0, 1), None)
    assert report["overall"]["model"]["age_error"] is None
    assert "The only one: one, no face found" in page
    assert "15-19: 0. Where there is none, the curve has a gap." in page
    assert page.count('src="images/one.png"') == 2


def test_a_few_are_never_shown_twice():
    assert best_median_worst([5.0]) == {"The only one": 0}
    assert best_median_worst([5.0, 1.0]) == {"The best of 2": 1, "The worst of 2": 0}
    three = {"The best of 3": 1, "The median of 3": 2, "The worst of 3": 0}
    assert best_median_worst([5.0, 1.0, 3.0]) == three
    assert list(best_median_worst([1.0, 1.0, 1.0, 1.0]).values()) == [0, 2, 3]


def test_distances_are_of_what_was_made_and_the_photos(tmp_path, monkeypatch):
    compared = []
    monkeypatch.setattr(
        "evaluation.photos.inception_distances", lambda *files: compared.extend(files) or {"fid": 1.0}
    )
    arguments = ["--name", "demo_model", "--checkpoints_dir", ROOT / "checkpoints", "--gpu_ids", -1, "--photos",
                 ROOT / "assets" / "people" / "male_1.png", "--results_dir", tmp_path]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, arguments)])
    assert evaluate.main() == 0
    made, photos, _ = compared
    assert [path.stem for path in photos] == ["male_1"]
    assert [path.stem.removeprefix("male_1_") for path in made] == ["0-2", "3-6", "7-9", "15-19", "30-39", "50-69"]
    assert all(path.is_file() for path in made + photos)
    assert json.loads((photos[0].parents[1] / "evaluation.json").read_text())["overall"]["demo_model"]["fid"] == 1


def test_a_face_is_judged_and_its_absence_reported():
    pixels = np.asarray(read_image(ROOT / "assets" / "astronaut.png"))
    seen, mirrored = Judge()(pixels), Judge()(pixels[:, ::-1])
    assert 15 < seen.age < 60
    assert np.linalg.norm(seen.descriptor - mirrored.descriptor) < 0.6
    assert Judge()(np.full((64, 64, 3), 90, np.uint8)) is None


def test_an_estimate_that_fails_stops_nothing(monkeypatch, caplog):
    caplog.set_level("INFO")
    pixels = np.asarray(read_image(ROOT / "assets" / "astronaut.png"))
    assert 25 < log_age("she", pixels)["looks"] < 45
    assert "she: looks " in caplog.text
    assert log_age("wall", np.full((64, 64, 3), 90, np.uint8)) == {}

    def fail(pixels):
        raise RuntimeError("the network is lost")

    monkeypatch.setattr("evaluation.judge.find_boxes", fail)
    assert log_age("she", pixels) == {}
    assert "she: the age could not be estimated (the network is lost)" in caplog.text


def test_photos_are_scored_and_bad_ones_reported(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    listed = tmp_path / "photos.txt"
    listed.write_text(f"{ROOT / 'assets' / 'people' / 'male_1.png'}\n{tmp_path / 'missing.png'}\n")
    folder = ROOT / "checkpoints"
    arguments = ["--name", "demo_model", "--checkpoints_dir", folder, "--gpu_ids", -1, "--photos", listed]
    done = run("evaluate.py", *arguments, code=1)
    assert "missing.png" in done.stderr
    assert "FID and KID are left out" in done.stderr
    folder = tmp_path / "results" / "demo_model" / "photos_latest_photos"
    page = (folder / "index.html").read_text()
    assert page.count("The only one: male_1") == page.count('src="images/male_1.png"') == 1
    figures = json.loads((folder / "evaluation.json").read_text())
    assert figures["photos"] == 1
    assert (figures["model"], figures["data set"], figures["seed"]) == ("demo_model", str(listed), 0)
    for fact in (str(listed), figures["date"]):
        assert fact in page
    assert figures["overall"]["copy of the input"]["identity_distance"] == 0
    assert len(figures["by_class"]["demo_model"]) == 6


def test_the_truth_scores_full_marks(people):
    scores = score(people, AGES, lambda n: people[n].truths[None].repeat(3, axis=0))
    assert scores.l1.shape == (8, 3, 3)
    assert (scores.l1 == 0).all()
    assert (scores.age_accuracy == 1).all()
    assert (scores.age_error == 0).all()
    assert (scores.estimated_age == AGES).all()
    assert (scores.identity == 1).all()
    assert scores.ssim == pytest.approx(np.ones((8, 3, 3)))


def test_a_copy_is_right_where_nothing_was_to_change(people):
    copied = score(people, AGES, lambda n: people[n].truths[:, None].repeat(3, axis=1))
    for source in range(3):
        for target in range(3):
            assert (copied.age_accuracy[:, source, target] == (source == target)).all()
            assert copied.age_error[:, source, target] == pytest.approx(abs(AGES[source] - AGES[target]))
            assert copied.l1[:, source, target] == pytest.approx(4 * abs(source - target) / 255)
    assert (copied.identity == 1).all()
    table = {"copy": figures(copied, np.ones(8))}
    assert table["copy"]["age_accuracy"].value == pytest.approx(1 / 3)
    assert table["copy"]["l1_two_or_more_apart"].value == pytest.approx(8 / 255)
    assert table["copy"]["monotone_steps"] == Figure(1, 8, (1, 1))
    assert "estimated_age" not in table["copy"]
    assert "| copy | " in table_text(table)
    assert " | 0.333 [0.333, 0.333] | " in table_text(table)


def test_shuffled_identities_score_chance(people):
    count = len(people)
    for shift in range(count):
        shifted = score(
            people, AGES, lambda n, shift=shift: people[(n + shift) % count].truths[None].repeat(3, axis=0)
        )
        assert (shifted.identity == float(shift == 0)).all()
    order = np.random.default_rng(0).integers(count, size=(count, 3, 3))
    shuffled = score(
        people, AGES, lambda n: np.stack([[people[order[n, s, t]].truths[t] for t in range(3)] for s in range(3)])
    )
    expected = order == np.arange(count)[:, None, None]
    assert (shuffled.identity == expected).all()
    assert 0.5 / count < expected.mean() < 2 / count


def test_the_nearest_training_person_is_found_at_the_input_age(people):
    # One is alike at the second age, the other at the first and the last.
    alike, others = people[0].truths, people[1].truths
    training = [
        Person("a", np.stack([others[0], alike[1], others[2]]), people[0].heads),
        Person("b", np.stack([alike[0], others[1], alike[2]]), people[0].heads),
    ]
    pictures = nearest_training_person(people[:1], training)(0)
    assert np.array_equal(pictures[1, 2], others[2])
    assert np.array_equal(pictures[0, 1], others[1])


def test_steps_that_go_back_are_reported(people):
    def truths(order):
        return lambda number: people[number].truths[list(order)]

    assert (monotone_steps(people, AGES, truths([0, 1, 2])) == np.ones(8)).all()
    assert (monotone_steps(people, AGES, truths([2, 1, 0])) == 0).all()
    assert (monotone_steps(people, AGES, truths([0, 0, 2, 1, 2])) == 3 / 4).all()
    blends = traversal_blends(3, 0.25).numpy()
    assert (monotone_steps(people, AGES, crossfade(lambda n: people[n].truths[None], blends)) == 1).all()
    assert (monotone_steps(people, AGES, crossfade(lambda n: people[n].truths[None, ::-1], blends)) == 0).all()


def test_heads_are_what_the_parsing_map_keeps(tmp_path, caplog):
    write_dataset(tmp_path / "people", per_class=2, phases=("test",))
    nothing = tmp_path / "people" / "test15-19" / "parsings" / "1.png"
    write_image(nothing, np.zeros((16, 16), np.uint8))
    classes = find_classes(tmp_path / "people", "test", CLASSES)
    (person,) = read_people(classes, Transform("resize_and_crop", 16, 16), 9)
    expected = np.zeros((16, 16), bool)
    expected[2:-2, 2:-2] = True
    assert (person.heads == expected).all()
    assert (person.truths[:, ~expected] == 128).all()
    assert "test15-19/1.png: its parsing map leaves nothing" in caplog.text


def test_pasted_pictures_are_compared_with_the_whole_true_picture(tmp_path):
    ages = (8.5, 35.0, 60.0)
    for name, age in zip(CLASSES, ages, strict=True):
        for person in range(2):
            job = Job(identity=person, age=age, picture=0, path=tmp_path / f"test{name}" / f"{person}.png")
            write_portrait(job, seed=3, size=48)
    to_model_size = Transform("resize_and_crop", 48, 48)
    people = read_people(find_classes(tmp_path, "test", CLASSES), to_model_size, 9)
    photos = [[np.asarray(origin.read()) for origin in person.origins] for person in people]
    copied = pasted_l1(people, to_model_size, lambda n: people[n].truths[[n] * 3])
    everything = np.ones((48, 48), bool)
    expected = [np.mean([l1(photos[n][n], truth, everything) for truth in photos[n]]) for n in range(2)]
    assert copied == pytest.approx(expected)
    # The clothes are those of another age, so the true heads alone do not give the whole true picture.
    pasted = pasted_l1(people, to_model_size, lambda n: people[n].truths)
    assert (pasted > 0).all()
    assert (pasted < 0.7 * copied).all()
    tall = Person("tall", np.zeros((3, 24, 16, 3), np.uint8), np.ones((3, 24, 16), bool))
    assert pasted_l1([tall], to_model_size, lambda n: tall.truths) is None


def test_people_of_other_proportions_are_left_out(tmp_path, caplog):
    root = write_dataset(tmp_path / "people", per_class=3, phases=("test",))
    for name in CLASSES:
        write_image(root / f"test{name}" / "1.png", np.zeros((24, 16, 3), np.uint8))
        write_image(root / f"test{name}" / "parsings" / "1.png", np.ones((24, 16), np.uint8))
    classes, to_width = find_classes(root, "test", CLASSES), Transform("scale_width", 16, 16)
    people = read_people(classes, to_width, 9)
    assert [person.name for person in people] == ["0", "2"]
    assert "1.png: its proportions differ" in caplog.text
    tall = Person("tall", np.zeros((3, 24, 16, 3), np.uint8), np.ones((3, 24, 16), bool))
    assert [person.name for person in read_people(classes, to_width, 9, like=tall)] == ["1"]


def test_the_command_leaves_figures_and_a_page(run, tiny_model, tmp_path):
    write_dataset(tmp_path / "people", per_class=4, phases=("train", "test"))
    (tmp_path / "people" / "test0-2" / "3.png").write_bytes(b"no picture")
    arguments = ("--name", tiny_model, "--gpu_ids", -1, "--paired", "people")
    done = run("evaluate.py", *arguments)
    folder = tmp_path / "results" / "tiny" / "evaluation_latest"
    figures = json.loads((folder / "evaluation.json").read_text())
    assert figures["people"] == 3
    assert "test0-2/3.png" in done.stderr
    assert list(figures["overall"]) == ["tiny", "copy of the input", "nearest training person", "truth"]
    assert figures["overall"]["truth"]["identity"] == figures["overall"]["truth"]["age_accuracy"] == 1
    assert len(figures["pairs"]["tiny"]) == 9
    assert figures["overall"]["truth"]["l1_pasted"] < figures["overall"]["copy of the input"]["l1_pasted"]
    for figure, (low, high) in figures["intervals"]["tiny"].items():
        assert low <= figures["overall"]["tiny"][figure] <= high
    low, high = figures["intervals"]["tiny"]["l1"]
    assert f"[{low:.3f}, {high:.3f}]" in done.stderr
    assert all(figures["overall"][row]["monotone_steps"] == 1 for row in ("copy of the input", "truth"))
    assert 0 <= figures["overall"]["tiny"]["monotone_steps"] <= 1
    page = (folder / "index.html").read_text()
    assert f"[{low:.3f}, {high:.3f}]" in page
    for fact in ("people", "tiny", figures["date"]):
        assert f"<dd>{fact}</dd>" in page
    for path in (folder / "images").iterdir():
        assert f"images/{path.name}" in page.replace("%20", " ")
    run("evaluate.py", *arguments)
    # The date may change at midnight.
    again = json.loads((folder / "evaluation.json").read_text()) | {"date": figures["date"]}
    assert again == figures, "the same figures every time"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--paired", "nowhere"], "--paired nowhere"),
        (["--paired", "people", "--ntest", "1"], "two people"),
        (["--paired", "people", "--name", "nobody", "--sort_order", ",".join(CLASSES)], "nobody"),
        (["--paired", "people", "--sort_order", "50-69,0-2,15-19"], "--sort_order 50-69,0-2,15-19: must be"),
        (["--photos", "nowhere"], "--photos nowhere"),
        (["--paired", "people", "--in_the_wild"], "--in_the_wild: has no effect without --photos"),
        (["--photos", "nowhere", "--sort_order", "young,old"], "'young'"),
        ([], "--paired"),
    ],
)
def test_a_mistake_is_one_clear_line(run, tiny_model, tmp_path, arguments, message):
    root = write_dataset(tmp_path / "people", phases=("test",))
    write_image(root / "test0-2" / "alone.png", np.zeros((16, 16, 3), np.uint8))
    done = run("evaluate.py", "--name", tiny_model, "--gpu_ids", -1, *arguments, code=2)
    assert message in done.stderr.strip().splitlines()[-1]
