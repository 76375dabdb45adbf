"""A photo from the wild: landmarks, alignment and parser against the golden numbers, and what the fallback keeps."""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.in_the_wild import PhotoReader, detect
from data.in_the_wild.align import align, find_square
from data.in_the_wild.cut_out import cut_out
from data.in_the_wild.detect import choose_faces, find_boxes, turn_upright
from data.in_the_wild.grabcut import parse_by_grabcut
from data.masking import Label
from data.portrait import Portrait
from models.face_parser import DeepLab, DeepLabParser
from options.base import add_photo_options
from options.build import choose_face_parser, portrait_reader
from tests.conftest import ROOT
from tests.golden_weights import GOLDEN, fill_from_names, golden_input
from util.errors import UserError

ASTRONAUT = ROOT / "assets" / "astronaut.png"
CPU = torch.device("cpu")
CASES = json.loads((GOLDEN / "align.json").read_text())


def photo(case: str) -> Image.Image:
    if case == "rot15":
        return Image.open(GOLDEN / "align_input_rot15.png").convert("RGB")
    whole = Image.open(ASTRONAUT).convert("RGB")
    cuts = {"cut": (100, 0, 400, 300), "cut_tight": (150, 40, 290, 230)}
    if case in cuts:
        return whole.crop(cuts[case])
    return whole.resize((1536, 1536), Image.Resampling.LANCZOS) if case == "x3" else whole


def find_landmarks(picture: Image.Image) -> np.ndarray:
    ((_, face),) = choose_faces(turn_upright(picture, "photo")[1], "largest", "photo")
    return face.landmarks


@pytest.mark.parametrize("case", CASES)
def test_golden_alignment(case):
    picture = photo(case)
    golden = np.array(CASES[case]["landmarks"], float)
    assert np.array_equal(find_landmarks(picture), golden)
    aligned = align(picture, find_square(golden), 256)
    expected = np.asarray(Image.open(GOLDEN / f"align_{case}.png").convert("RGB"))
    error = np.square(aligned.astype(float) - expected).mean()
    assert 10 * np.log10(255**2 / error) > 45


@pytest.mark.parametrize("case", ["whole", "cut_tight", "rot15"])
def test_landmarks_are_projected_to_where_they_lie_in_the_aligned_picture(case):
    picture = photo(case)
    landmarks = np.array(CASES[case]["landmarks"], float)
    square = find_square(landmarks)
    again = find_landmarks(Image.fromarray(align(picture, square, 512)))
    assert np.abs(square.project(landmarks, 512) - again).mean() < 6
    assert square.project(square.corners, 100) == pytest.approx(np.array([(0, 0), (0, 100), (100, 100), (100, 0)]))


@pytest.fixture(scope="module")
def deeplab():
    return fill_from_names(DeepLab().eval())


def test_golden_deeplab(deeplab):
    keys = json.loads((GOLDEN / "keys_deeplab.json").read_text())
    assert [[name, list(value.shape)] for name, value in deeplab.state_dict().items()] == keys
    golden = np.load(GOLDEN / "deeplab.npz")
    with torch.inference_mode():
        logits = deeplab(golden_input("deeplab", (1, 3, 97, 97)))
    assert (logits.argmax(dim=1).numpy() == golden["argmax"]).mean() >= 0.995
    # Rounding adds up over a hundred layers: the golden logits themselves lie 2.5e-3 from those in double precision,
    # and the number of threads moves ours by 2e-3. So the tolerance is 1e-4 of the logits' range, not absolute.
    scale = np.abs(golden["logits"]).max()
    assert np.abs(logits[:, :, ::4, ::4].numpy() - golden["logits"]).max() < 1e-4 * scale


def test_the_published_parser_file_is_read(deeplab, tmp_path):
    path = tmp_path / "deeplab_model.pth"
    tensors = {f"module.{name}": value for name, value in deeplab.state_dict().items()}
    tensors["module.bn1.num_batches_tracked"] = torch.tensor(7)
    torch.save({"epoch": 3, "state_dict": tensors}, path)
    parser = choose_face_parser("auto", CPU, path)
    assert isinstance(parser, DeepLabParser)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    labels = parser(pixels, np.zeros((68, 2)))
    assert labels.shape == (64, 64)
    assert labels.dtype == np.uint8
    assert labels.max() < len(Label)
    torch.save({"weights": tensors}, path)
    choose_face_parser("auto", CPU, path)
    torch.save({"weights": "elsewhere"}, path)
    with pytest.raises(UserError, match=r"deeplab_model\.pth: 'weights' is not a tensor"):
        choose_face_parser("auto", CPU, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="damaged"):
        choose_face_parser("deeplab", CPU, path)


def test_labels_are_reduced_without_a_shift(deeplab, tmp_path, monkeypatch):
    """Each label comes from the middle of its pixel: Pillow's nearest neighbour is the independent reference."""
    torch.save({"state_dict": deeplab.state_dict()}, tmp_path / "deeplab_model.pth")
    parser = DeepLabParser(tmp_path / "deeplab_model.pth", CPU)
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, len(Label), (513, 513)))
    scores = torch.nn.functional.one_hot(labels).movedim(-1, 0)[None].float()
    monkeypatch.setattr(parser, "network", lambda _: scores)
    for size in (64, 256, 400, 512, 513, 700):
        found = parser(np.zeros((size, size, 3), np.uint8), np.zeros((68, 2)))
        expected = Image.fromarray(labels.byte().numpy()).resize((size, size), Image.Resampling.NEAREST)
        assert np.array_equal(found, expected), size


def test_the_parser_is_chosen_and_one_warning_reports_that_it_is_missing(tmp_path, caplog):
    missing = tmp_path / "deeplab_model.pth"
    choose_face_parser("auto", CPU, missing)
    assert len(caplog.records) == 1
    assert "download_models.py --only deeplab_model" in caplog.text
    caplog.clear()
    choose_face_parser("grabcut", CPU, missing)
    assert not caplog.records
    with pytest.raises(UserError, match="--only deeplab_model"):
        choose_face_parser("deeplab", CPU, missing)


def read_one(path: Path, size: int = 256) -> Portrait:
    (portrait,) = PhotoReader(size, parse_by_grabcut)(path)
    return portrait


@pytest.fixture(scope="module")
def portrait():
    return read_one(ASTRONAUT)


def test_hair_face_and_neck_stay_suit_and_background_go(portrait):
    grey = (portrait.pixels == 128).all(axis=2)
    assert portrait.pixels.shape == (256, 256, 3)
    for name, (top, bottom, left, right) in {
        "forehead": (80, 100, 100, 160),
        "cheeks": (130, 200, 85, 165),
        "hair above": (15, 60, 70, 180),
        "hair to the left": (60, 130, 35, 60),
        "hair to the right": (60, 120, 190, 215),
        "neck": (230, 240, 100, 150),
    }.items():
        assert grey[top:bottom, left:right].mean() < 0.1, name
    for name, (top, bottom, left, right) in {
        "left of the hair": (0, 60, 0, 12),
        "right of the hair": (120, 180, 225, 256),
        "suit to the left": (200, 256, 0, 60),
        "collar": (250, 256, 60, 170),
        "suit to the right": (200, 256, 200, 256),
    }.items():
        assert grey[top:bottom, left:right].mean() > 0.9, name


def test_the_fallback_labels_what_the_landmarks_show(portrait):
    at = {
        Label.LEFT_EYE: (122, 95),
        Label.RIGHT_EYE: (122, 157),
        Label.NOSE: (155, 127),
        Label.SKIN: (150, 95),
        Label.HAIR: (40, 200),
        Label.BACKGROUND: (150, 240),
    }
    for label, (row, column) in at.items():
        assert portrait.parsing[row, column] == label, label.name
    assert np.array_equal(read_one(ASTRONAUT).parsing, portrait.parsing)


def test_small_portraits_are_reduced_large_ones(portrait):
    small = read_one(ASTRONAUT, 64)
    assert small.pixels.shape == (64, 64, 3)
    assert small.parsing.shape == (64, 64)
    reduced = np.asarray(Image.fromarray(portrait.pixels).resize((64, 64), Image.Resampling.LANCZOS))
    assert np.array_equal(small.pixels, reduced)


def test_no_face(tmp_path):
    path = tmp_path / "wall.png"
    Image.new("RGB", (300, 200), "white").save(path)
    with pytest.raises(UserError, match=r"wall\.png: no face found"):
        read_one(path, 64)


def test_the_largest_of_several_faces_is_taken_and_a_warning_says_so(tmp_path, caplog):
    face = photo("cut")
    group = Image.new("RGB", (600, 700), "grey")
    group.paste(face, (0, 0))
    group.paste(face.resize((450, 450)), (140, 250))
    group.save(tmp_path / "group.png")
    ((number, face),) = choose_faces(turn_upright(group, "group.png")[1], "largest", "group.png")
    assert "group.png: 2 faces found, the largest is taken, number 2 from the left" in caplog.text
    assert number == 2
    assert (face.landmarks.min(axis=0) > (140, 250)).all()


def test_a_warning_names_photos_with_a_tiny_face(tmp_path, caplog):
    photo("whole").resize((256, 256)).save(tmp_path / "far.png")
    read_one(tmp_path / "far.png", 512)
    assert "far.png: the face is tiny" in caplog.text


def test_threads_take_turns_at_the_detector(monkeypatch):
    class Detector:
        searching = 0

        def run(self, pixels, enlarged):
            self.searching += 1
            time.sleep(0.01)
            assert self.searching == 1
            self.searching -= 1
            return [], [], []

    detector = Detector()
    monkeypatch.setattr(detect, "_detector", lambda: detector)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(find_boxes, [np.zeros((8, 8, 3), np.uint8)] * 8)) == [[]] * 8


def test_a_photo_with_orientation_flag(tmp_path):
    """Phones store photos on their side, with a flag that says so."""
    lying = photo("cut").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(tmp_path / "phone.jpg", exif=exif, quality=95)
    upright = read_one(tmp_path / "phone.jpg")
    golden = np.asarray(Image.open(GOLDEN / "align_cut.png").convert("RGB")).astype(float)
    face = np.s_[80:220, 90:160]
    assert np.abs(upright.pixels[face] - golden[face]).mean() < 8


def test_fifty_megapixels_take_bounded_memory(run, tmp_path):
    """The face is found and cut out without several full-size copies in memory."""
    whole = Image.new("RGB", (8660, 5774), (90, 110, 130))
    whole.paste(photo("whole").resize((3000, 3000)), (2800, 1300))
    whole.save(tmp_path / "huge.jpg", quality=90)
    script = tmp_path / "measure.py"
    script.write_text(
        "import resource, sys\nfrom pathlib import Path\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from data.in_the_wild import PhotoReader\n"
        "from data.in_the_wild.grabcut import parse_by_grabcut\n"
        "reader = PhotoReader(256, parse_by_grabcut)\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = peak()\n(portrait,) = reader(Path('huge.jpg'))\n"
        "print(peak() - before, (portrait.parsing == 1).mean())\n"
    )
    megabytes, skin = map(float, run(script).stdout.split())
    assert skin > 0.1
    # The photo itself has 150 MB.
    assert megabytes < 900


def test_paths_of_any_kind_keep_their_name(tmp_path):
    path = tmp_path / "größe 1.v2.jpeg"
    photo("cut").save(path)
    assert read_one(path, 64).path == path


def test_a_pattern_on_the_clothes_is_no_second_face(caplog):
    assert len(find_boxes(np.asarray(photo("whole")))) == 1
    read_one(ASTRONAUT)
    assert not caplog.records


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two faces beside each other, the smaller on the left."""
    pair = Image.new("RGB", (750, 450), "grey")
    pair.paste(photo("cut"), (0, 0))
    pair.paste(photo("cut").resize((450, 450)), (300, 0))
    path = tmp_path_factory.mktemp("pair") / "pair.png"
    pair.save(path)
    return path


def test_faces_are_chosen_by_number_or_all(pair, caplog):
    caplog.set_level("INFO")
    left, right = PhotoReader(64, parse_by_grabcut, "all")(pair)
    assert (left.face, right.face) == (1, 2)
    assert not np.array_equal(left.pixels, right.pixels)
    assert "pair.png: 2 faces found, all are taken" in caplog.text
    for number, expected in ((1, left), (2, right)):
        (chosen,) = PhotoReader(64, parse_by_grabcut, number)(pair)
        assert np.array_equal(chosen.pixels, expected.pixels)
        assert chosen.face is None
        assert f"pair.png: face {number} of 2 from the left is taken" in caplog.text
    assert np.array_equal(read_one(pair, 64).pixels, right.pixels)
    with pytest.raises(UserError, match=r"pair\.png: --face 3: only 2 found"):
        PhotoReader(64, parse_by_grabcut, 3)(pair)


def test_a_face_can_only_be_chosen_in_photos_from_the_wild():
    parser = argparse.ArgumentParser()
    add_photo_options(parser.add_argument_group("photos"))
    assert parser.parse_args([]).face == "largest"
    for text in ("0", "-1", "left", "1.5", ""):
        with pytest.raises(SystemExit):
            parser.parse_args(["--face", text])
    options = parser.parse_args(["--face", "2"])
    with pytest.raises(UserError, match="--face 2: needs --in_the_wild"):
        portrait_reader(options, CPU)
    options = parser.parse_args(["--face", "all", "--in_the_wild", "--parser", "grabcut"])
    options.loadSize = 64
    reader = portrait_reader(options, CPU)
    assert isinstance(reader, PhotoReader)
    assert reader.face == "all"


def test_labels_of_small_portraits_are_reduced_without_a_shift():
    labels = np.random.default_rng(0).integers(0, len(Label), (256, 256), dtype=np.uint8)
    pixels, landmarks = np.zeros((256, 256, 3), np.uint8), np.zeros((68, 2))
    for size in (16, 60, 99, 128, 200, 256):
        _, reduced = cut_out(pixels, landmarks, lambda *_: labels, size)
        expected = Image.fromarray(labels).resize((size, size), Image.Resampling.NEAREST)
        assert np.array_equal(reduced, expected), size


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_photos_without_an_upright_face_are_turned(tmp_path, caplog, portrait, turn):
    photo("whole").rotate(turn).save(tmp_path / "turned.png")
    turned = read_one(tmp_path / "turned.png")
    assert np.array_equal(turned.pixels, portrait.pixels)
    assert np.array_equal(turned.origin.read(), photo("whole"))
    assert np.array_equal(turned.origin.square.corners, portrait.origin.square.corners)
    assert len(caplog.records) == 1
    assert "turned.png: no face found upright; it was turned" in caplog.text


@pytest.mark.parametrize("tilt", [-30, 45, 60, 135, 225])
def test_tilted_heads_are_turned_upright(portrait, tilt):
    picture = photo("whole").rotate(tilt, Image.Resampling.BICUBIC, expand=True)
    turned, faces = turn_upright(picture, "photo")
    ((_, face),) = choose_faces(faces, "largest", "photo")
    aligned = align(turned, find_square(face.landmarks), 256).astype(int)
    upright = align(photo("whole"), find_square(find_landmarks(photo("whole"))), 256)
    middle = np.s_[60:200, 80:180]
    assert np.abs(aligned[middle] - upright[middle]).mean() < 8


@pytest.mark.parametrize("size", [200, 300, 400, 700, 1500])
@pytest.mark.parametrize("tilt", [-20, -15, 0, 5, 10])
def test_a_person_has_one_face_at_every_scale_and_tilt(size, tilt):
    picture = photo("whole").resize((size, size)).rotate(tilt, Image.Resampling.BICUBIC, expand=True)
    assert len(find_boxes(np.asarray(picture))) == 1


@pytest.mark.parametrize("scale", [0.8, 1, 1.25, 2, 4])
def test_two_people_have_two_faces_at_every_scale(scale):
    single = photo("whole").resize((round(256 * scale), round(256 * scale)))
    pair = Image.new("RGB", (2 * single.width, single.height))
    pair.paste(single, (0, 0))
    pair.paste(single.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (single.width, 0))
    assert len(find_boxes(np.asarray(pair))) == 2


@pytest.mark.parametrize("size", [(1, 1), (10_000, 10), (3, 100_000)])
def test_photos_of_odd_shapes_are_refused(size):
    with pytest.raises(UserError, match="no face found"):
        turn_upright(Image.new("RGB", size), "photo")
