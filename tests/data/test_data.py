"""Ages, masks, transforms, data sets and the pairs drawn from them."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from data.age_classes import ANCHORS, centre, position, years
from data.aging_dataset import AgingDataset, PairIndex
from data.augmentation import Augmentation
from data.classes import ClassImages, class_folders, find_classes, keep_pairs
from data.loader import PairLoader, PairSampler
from data.masking import MASK_COLOR, Label, mask
from data.portrait import parsing_path, read_portrait
from data.transforms import Transform
from models.age_code import make_codes
from tests.conftest import CLASSES
from util.errors import UserError
from util.images import to_pixels, to_tensor, write_image
from util.interrupt import StopRequest


def test_positions_of_ages():
    assert [position(centre(name), ANCHORS) for name in ANCHORS] == [0, 1, 2, 3, 4, 5]
    assert position(0, ANCHORS) == 0
    assert position(70, ANCHORS) == 5
    ages = np.linspace(0, 120, 2401)
    found = np.array([position(age, ANCHORS) for age in ages])
    assert (np.diff(found) >= 0).all()
    assert (np.diff(found)[(ages[:-1] >= centre(ANCHORS[0])) & (ages[1:] <= centre(ANCHORS[-1]))] > 0).all()
    assert (found[ages <= centre(ANCHORS[0])] == 0).all()
    assert (found[ages >= centre(ANCHORS[-1])] == 5).all()
    # The pace has no jump at an anchor; linear interpolation would more than halve it at 8.5 years.
    for name in ANCHORS[1:-1]:
        before, at, after = (position(centre(name) + step, ANCHORS) for step in (-0.01, 0, 0.01))
        assert (after - at) / (at - before) == pytest.approx(1, rel=0.02)
    # By Fritsch and Butland's rule (1984), the slope between two equal pieces of 3.5 years is 1 / 3.5.
    assert position(5.01, ANCHORS) == pytest.approx(1 + 0.01 / 3.5, abs=1e-5)
    assert position(40, ["30-39"]) == 0
    for age in (-1, 121, float("nan")):
        with pytest.raises(UserError, match="--ages"):
            position(age, ANCHORS)
    with pytest.raises(UserError, match="young"):
        position(5, ["young", "old"])
    with pytest.raises(UserError, match="--sort_order"):
        position(5, ["50-69", "0-2"])


def test_years_are_the_inverse_of_positions():
    ages = [1.5, 4.0, 21.5, 40.0, 59.9]
    assert years([position(age, ANCHORS) for age in ages], ANCHORS) == pytest.approx(ages, abs=0.01)
    assert years([0, 2, 5], ANCHORS) == [1.5, 8.5, 60]
    assert years([0], ["30-39"]) == [35]
    with pytest.raises(UserError, match="young"):
        years([0], ["young", "old"])


def test_codes_have_ones_on_the_own_block():
    rng = torch.Generator().manual_seed(1)
    codes = make_codes(torch.tensor([1, 0]), 3, 2, rng, sigma=0.0)
    assert codes.tolist() == [[0, 0, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]]
    noisy = make_codes(torch.zeros(1000, dtype=torch.long), 3, 2, rng)
    assert (noisy[:, 2:].std() - 0.2).abs() < 0.01
    assert (noisy[:, :2].mean() - 1).abs() < 0.02


def test_mask_greys_out_what_is_not_the_person():
    labels = np.arange(len(Label), dtype=np.uint8)[None]
    grey = (mask(np.full((1, 19, 3), 7, np.uint8), labels) == 128).all(axis=-1)[0]
    assert [Label(i).name for i in np.flatnonzero(grey)] == ["BACKGROUND", "HAT", "EARRING", "NECKLACE", "CLOTH"]


def test_tensor_and_pixels_are_inverse():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    tensor = to_tensor(pixels)
    assert (tensor.min(), tensor.max()) == (-1, 1)
    assert np.array_equal(to_pixels(tensor), pixels)


def test_transforms():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
    assert Transform("resize_and_crop", 32, 24)(pixels).shape == (24, 24, 3)
    assert np.array_equal(Transform("crop", 99, 16)(pixels), pixels[12:28, 2:18])
    assert Transform("scale_width", 99, 10)(pixels).shape == (20, 10, 3)
    assert Transform("scale_width", 99, 12, step=4)(pixels[:31]).shape == (20, 12, 3)
    assert Transform("scale_width_and_crop", 16, 12)(pixels).shape == (12, 12, 3)
    with pytest.raises(UserError, match="--fineSize"):
        Transform("crop", 99, 24)(pixels)
    # Nearest neighbour adds no new colours.
    reduced = Transform("resize_and_crop", 10, 10)(pixels)
    assert {tuple(p) for p in reduced.reshape(-1, 3)} <= {tuple(p) for p in pixels.reshape(-1, 3)}


def test_pictures_of_other_proportions_are_passed_over(dataset):
    classes = find_classes(dataset, "train", CLASSES)
    path = classes[1].paths[0]
    for of_pixels in (path, parsing_path(path)):
        with Image.open(of_pixels) as image:
            image.crop((0, 0, 16, 12)).save(of_pixels)
    data = AgingDataset(classes, Transform("scale_width", 99, 16, step=4))
    item = data[PairIndex(0, 0, 1, 0, 5, 6)]
    assert item.A.shape == item.B.shape == (16, 16, 3)
    assert len(item.faults) == 1
    assert item.faults[0].startswith(
        f"{path}: has 16x12 pixels after resizing, but the first of {path.parents[1]}/train0-2 has 16x16"
    )


def test_random_crops_and_flips_follow_the_generator():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    cut = Transform("crop", 99, 16, flip=True)
    assert np.array_equal(cut(pixels, np.random.default_rng(5)), cut(pixels, np.random.default_rng(5)))
    seen = {cut(pixels, np.random.default_rng(seed)).tobytes() for seed in range(60)}
    assert len(seen) > 20
    unflipped = Transform("crop", 99, 20)
    assert {unflipped(pixels, np.random.default_rng(s)).tobytes() for s in range(10)} == {pixels.tobytes()}


def test_portrait_is_masked(dataset):
    portrait = read_portrait(dataset / "train0-2" / "0.png")
    assert (portrait.pixels[0] == 128).all()
    assert not (portrait.pixels[8] == 128).all()


def test_faulty_portraits(dataset):
    image = dataset / "train0-2" / "0.png"
    parsing = dataset / "train0-2" / "parsings" / "0.png"
    write_image(parsing, np.full((16, 16), 19, np.uint8))
    with pytest.raises(UserError, match="label 19"):
        read_portrait(image)
    write_image(parsing, np.zeros((8, 8), np.uint8))
    with pytest.raises(UserError, match="8, 8"):
        read_portrait(image)
    parsing.write_text("no picture")
    with pytest.raises(UserError, match="parsing map"):
        read_portrait(image)
    parsing.unlink()
    with pytest.raises(UserError, match="--in_the_wild"):
        read_portrait(image)


def test_images_without_a_map_are_left_out(dataset, caplog):
    (dataset / "train0-2" / "parsings" / "1.png").unlink()
    for name in ("x.webp", "._0.png", "desktop.ini"):
        (dataset / "train0-2" / name).touch()
    classes = find_classes(dataset, "train", CLASSES)
    assert [len(c.paths) for c in classes] == [3, 4, 4]
    assert "1 pictures have no parsing map" in caplog.text
    assert "1 files are no PNG or JPEG pictures, such as x.webp" in caplog.text
    assert [len(c.paths) for c in find_classes(dataset, "train", CLASSES, most=2)] == [2, 2, 2]


def test_missing_and_empty_class_folders(dataset):
    with pytest.raises(UserError, match="train3-6"):
        find_classes(dataset, "train", ("0-2", "3-6"))
    (dataset / "train3-6").mkdir()
    with pytest.raises(UserError, match="train3-6"):
        find_classes(dataset, "train", ("0-2", "3-6"))


def test_class_folders_come_by_number(dataset):
    for name in ("100-120", "3-6", "babies"):
        (dataset / f"train{name}").mkdir()
    assert class_folders(dataset, "train") == ["0-2", "3-6", "15-19", "50-69", "100-120", "babies"]
    assert class_folders(dataset, "test") == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_picture_is_replaced_by_another_of_its_class(dataset, workers):
    (dataset / "train0-2" / "1.png").write_bytes(b"no picture")
    data = AgingDataset(find_classes(dataset, "train", CLASSES), Transform("resize_and_crop", 16, 16))
    with PairLoader(data, PairSampler([4, 4, 4], 2, seed=0), workers) as loader:
        batches = [batch for _ in range(4) for batch in loader.epoch(StopRequest())]
    faults = {fault for batch in batches for fault in batch.faults}
    assert len(faults) == 1
    assert "train0-2/1.png" in faults.pop()
    item = data[PairIndex(0, 1, 1, 0, 1, 2)]
    assert np.array_equal(item.A, data[PairIndex(0, 2, 1, 0, 1, 2)].A)
    for path in (dataset / "train0-2").glob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(UserError, match="none of its 4 pictures"):
        data[PairIndex(0, 1, 1, 0, 1, 2)]


def test_pairs_are_two_different_classes_uniformly():
    pairs = [pair for batch in PairSampler([1000, 1000, 4000], 5, seed=0) for pair in batch]
    assert len(pairs) == 3000
    counts = Counter((pair.a_class, pair.b_class) for pair in pairs)
    assert sorted(counts) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert min(counts.values()) > 400
    assert all(pair.b_image < (1000, 1000, 4000)[pair.b_class] for pair in pairs)


def test_an_epoch_can_be_resumed_at_any_batch():
    sampler = PairSampler([6, 6, 8], 2, seed=3)
    whole = list(sampler)
    sampler.start_at(1, 3)
    assert list(sampler) == whole[3:]
    assert len(sampler) == len(whole) - 3 == 2
    sampler.start_at(2)
    assert list(sampler) != whole


def test_serial_batches_run_through_pictures_in_order():
    pairs = [pair for batch in PairSampler([3, 3, 3], 1, seed=0, serial=True) for pair in batch]
    assert [(p.a_class, p.a_image) for p in pairs] == [(0, 0), (1, 0), (2, 0), (0, 1)]
    assert all(p.a_class != p.b_class for p in pairs)


def test_paired_pictures_are_of_one_person_cropped_and_flipped_alike(dataset):
    for name in CLASSES:
        person = np.random.default_rng(5).integers(0, 256, (24, 24, 3), np.uint8)
        write_image(dataset / f"train{name}" / "zoe.png", person)
        write_image(dataset / f"train{name}" / "parsings" / "zoe.png", np.ones((24, 24), np.uint8))
    write_image(dataset / f"train{CLASSES[0]}" / "alone.png", person)
    write_image(dataset / f"train{CLASSES[0]}" / "parsings" / "alone.png", np.ones((24, 24), np.uint8))
    classes = keep_pairs(find_classes(dataset, "train", CLASSES))
    assert {len(images.paths) for images in classes} == {5}
    data = AgingDataset(classes, Transform("resize_and_crop", 20, 16, flip=True), paired=True)
    pairs = [pair for batch in PairSampler([5, 5, 5], 1, seed=0, paired=True) for pair in batch]
    assert all(pair.a_image == pair.b_image and pair.a_class != pair.b_class for pair in pairs)
    zoe = [pair._replace(a_image=4, b_image=4) for pair in pairs]
    assert all(np.array_equal(data[pair].A, data[pair].B) for pair in zoe)
    (dataset / f"train{CLASSES[1]}" / "3.png").write_bytes(b"no picture")
    index = zoe[0]._replace(a_class=0, b_class=1, a_image=3, b_image=3)
    assert np.array_equal(data[index].A, data[index].B)
    with pytest.raises(UserError, match="--lambda_paired"):
        keep_pairs([classes[0], ClassImages("other", (dataset / "nobody.png",))])


def test_augmented_inputs_have_clean_targets(dataset):
    classes = find_classes(dataset, "train", CLASSES)
    transform = Transform("resize_and_crop", 20, 16, flip=True)
    clean, changed = (AgingDataset(classes, transform, augmentation=how) for how in (None, Augmentation(1)))
    index = PairIndex(0, 1, 2, 3, 7, 7)
    assert clean[index].inputs == ()
    for side in range(2):
        assert np.array_equal(changed[index][side], clean[index][side])
        assert changed[index].inputs[side].shape == clean[index][side].shape
        assert not np.array_equal(changed[index].inputs[side], clean[index][side])
        assert np.array_equal(changed[index].inputs[side], changed[index].inputs[side])
    with PairLoader(changed, PairSampler([4, 4, 4], 2, seed=1), 0) as loader:
        batch = next(loader.epoch(StopRequest()))
    assert [tensor.shape for tensor in batch.tensors] == [(2, 3, 16, 16)] * 2 + [(2,)] * 2 + [(2, 3, 16, 16)] * 2


def test_augmentation_changes_a_share_of_the_pictures_and_leaves_the_mask_grey():
    person = np.full((64, 64, 3), MASK_COLOR, np.uint8)
    person[24:40, 24:40] = (200, 150, 120)
    rng = np.random.default_rng(0)
    made = [Augmentation(0.25)(person, rng) for _ in range(200)]
    assert sum(not np.array_equal(picture, person) for picture in made) == pytest.approx(50, abs=15)
    # A head of 16 pixels never gets 24 pixels away from the middle, and the corners are always grey.
    for picture in made:
        assert (picture[:8] == MASK_COLOR).all()
        assert (picture[:, -8:] == MASK_COLOR).all()
        assert (picture[32, 32] != MASK_COLOR).any()


def test_too_small_for_a_batch():
    with pytest.raises(UserError, match="--batchSize"):
        PairSampler([2, 2], 3, seed=0)
    with pytest.raises(UserError, match="--sort_order"):
        PairSampler([200], 3, seed=0)


def test_workers_do_not_change_what_is_read(dataset):
    classes = find_classes(dataset, "train", CLASSES)
    data = AgingDataset(classes, Transform("resize_and_crop", 20, 16, flip=True))
    batches = []
    for workers in (0, 2):
        with PairLoader(data, PairSampler([4, 4, 4], 2, seed=1), workers) as loader:
            batches.append(list(loader.epoch(StopRequest())))
    assert len(batches[0]) == len(batches[1]) == 3
    for a, b in zip(*batches, strict=True):
        assert a.A.shape == (2, 16, 16, 3)
        assert all(np.array_equal(of_a, of_b) for of_a, of_b in zip(a[:4], b[:4], strict=True))


def test_an_item_depends_on_its_index_only(dataset):
    data = AgingDataset(find_classes(dataset, "train", CLASSES), Transform("resize_and_crop", 20, 16, flip=True))
    index = PairIndex(0, 1, 2, 3, 7, 8)
    assert np.array_equal(data[index].B, data[index].B)
    assert not np.array_equal(data[index].B, data[index._replace(b_seed=9)].B)


def test_hidden_system_files_in_class_folders_are_ignored(dataset, caplog):
    before = find_classes(dataset, "train", CLASSES)
    for name in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini", "parsings/._0.png"):
        (dataset / "train0-2" / name).write_bytes(b"\0\5\x16\7")
    assert find_classes(dataset, "train", CLASSES) == before
    assert not caplog.records


@pytest.mark.parametrize("kind", ["L", "RGB", "RGBA", "I;16", "colours", "renumbered"])
def test_maps_are_read_in_every_mode_that_programs_save(tmp_path, kind):
    labels = np.tile(np.arange(19, dtype=np.uint8), (19, 1))
    Image.new("RGB", (19, 19)).save(tmp_path / "a.png")
    (tmp_path / "parsings").mkdir()
    image = Image.fromarray(labels.astype(np.uint16) if kind == "I;16" else labels)
    if kind == "colours":
        image.putpalette(list(range(255, 0, -1)) * 3)
    elif kind == "renumbered":
        image = Image.fromarray(18 - labels)
        image.putpalette([18 - number // 3 for number in range(57)])
    (image if kind in ("I;16", "colours", "renumbered") else image.convert(kind)).save(
        tmp_path / "parsings" / "a.PNG"
    )
    assert np.array_equal(read_portrait(tmp_path / "a.png").parsing, labels)


def test_a_map_of_colours_is_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "parsings").mkdir()
    Image.new("RGB", (8, 8), (3, 5, 7)).save(tmp_path / "parsings" / "a.png")
    with pytest.raises(UserError, match="colours instead of labels"):
        read_portrait(tmp_path / "a.png")
