"""train.py as a command: it trains, resumes, and recovers after being killed."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image

from models.discriminator import DiscriminatorConfig, MultiScaleDiscriminator
from models.generator import Generator, GeneratorConfig
from models.precision import fast_precision
from options.train import train_parser
from tests.conftest import CLASSES, ROOT, TINY, write_dataset

# Options that leave only the loss against true pictures.
_NO_OTHER_LOSS = [word for loss in ("adv", "rec", "cyc", "id", "age") for word in (f"--lambda_{loss}", "0")]
PAIRED_ONLY = ["--lambda_paired", "10", *_NO_OTHER_LOSS]


def train(run, *arguments, code=0):
    return run("train.py", *TINY, "--dataroot", "people", "--batchSize", 2, *arguments, code=code)


def weights(folder, epoch="latest"):
    return {
        name: torch.load(folder / f"{epoch}_net_{name}.pth", weights_only=True) for name in ("G", "D", "g_running")
    }


def assert_same(a, b):
    for name in a:
        assert list(a[name]) == list(b[name])
        for key in a[name]:
            assert torch.equal(a[name][key], b[name][key]), (name, key)


def test_a_run_leaves_what_its_users_know(run, dataset, tmp_path):
    done = train(run, "--name", "first", "--epochs", 2, "--print_freq", 4, "--save_epoch_freq", 1)
    folder = tmp_path / "checkpoints" / "first"
    expected = {"opt.txt", "loss_log.txt", "metrics.jsonl", "summary.csv", "iter.txt", "samples"}
    for epoch in ("latest", "1", "2"):
        expected |= {f"{epoch}_net_{name}.pth" for name in ("G", "D", "g_running")} | {f"{epoch}_state.pth"}
    assert {path.name for path in folder.iterdir()} == expected

    names = ["G_Adv", "G_Cycle", "G_Rec", "G_identity_reconst", "G_age_reconst", "D_real", "D_fake", "D_reg"]
    pattern = r"\(epoch: 1, iters: 4, time: \d+\.\d{3}\) " + " ".join(rf"loss_{name}: [\d.]+" for name in names)
    pattern += r" pairs_per_second: [\d.]+ peak_memory_GiB: [\d.]+"
    lines = (folder / "loss_log.txt").read_text().splitlines()
    assert re.fullmatch(pattern, lines[0]), lines[0]
    assert lines[0] in done.stdout
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [m["total_pairs"] for m in metrics] == [4, 8, 12]
    assert metrics[-1]["epoch"] == 2
    assert (folder / "iter.txt").read_text() == "3,0\n"
    # Three people, each: input, gap, three ages.
    assert Image.open(folder / "samples" / "epoch2.png").size == (4 * 16 + 10, 3 * 16)

    config = GeneratorConfig(ngf=4, num_classes=3, dim_per_class=2)
    assert list(weights(folder)["G"]) == list(Generator(config).state_dict())
    critic = MultiScaleDiscriminator(DiscriminatorConfig(ndf=4, num_classes=3, layers=2))
    assert list(weights(folder)["D"]) == list(critic.state_dict())


def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(run, dataset, tmp_path):
    common = ("--lambda_id_warmup", 20, "--decay_epochs", "1,2", "--loadSize", 20, "--augment_inputs", 0.5)
    train(run, "--name", "whole", "--epochs", 3, *common)
    train(run, "--name", "parts", "--epochs", 1, *common)
    train(run, "--name", "parts", "--epochs", 2, "--continue_train", *common)
    train(run, "--name", "parts", "--epochs", 3, "--continue_training", *common)
    checkpoints = tmp_path / "checkpoints"
    assert_same(weights(checkpoints / "parts"), weights(checkpoints / "whole"))


def test_a_run_killed_between_checkpoints_goes_on_from_the_last(run, tmp_path):
    write_dataset(tmp_path / "people", per_class=40)
    # 30 batches an epoch; a checkpoint after every 10th.
    common = ("--name", "killed", "--save_latest_freq", 20, "--print_freq", 2)
    data = ("--dataroot", "people", "--batchSize", 2, "--epochs", 1000)
    command = [sys.executable, ROOT / "train.py", *TINY, *data]
    process = subprocess.Popen(
        [*map(str, command), *map(str, common)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = tmp_path / "checkpoints" / "killed"
    deadline = time.monotonic() + 60
    while not (folder / "iter.txt").is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = torch.load(folder / "latest_state.pth", weights_only=True)
    position, iteration = state["position"], state["trainer"]["iteration"]
    assert iteration >= 10
    assert iteration % 10 == 0

    # The rest of the interrupted epoch equals that of an uninterrupted run.
    epoch = position["epoch"] if position["batches"] else position["epoch"] + 1
    done = train(run, *common, "--epochs", epoch, "--continue_train")
    assert f"going on in epoch {position['epoch']} after {position['batches']} batches" in done.stderr
    train(run, *common, "--name", "whole", "--epochs", epoch)
    assert_same(weights(folder), weights(tmp_path / "checkpoints" / "whole"))


def test_a_resumed_run_keeps_its_options_unless_given_others(run, dataset, tmp_path):
    train(run, "--name", "sizes", "--epochs", 1, "--lambda_rec", 5, "--decay_epochs", "1,3")
    run("train.py", "--gpu_ids", -1, "--nThreads", 0, "--dataroot", "people", "--batchSize", 2, "--name", "sizes",
        "--epochs", 2, "--lr", 0.002, "--continue_train")  # fmt: skip
    saved = (tmp_path / "checkpoints" / "sizes" / "opt.txt").read_text()
    assert "id_stop_gradient: True" in saved
    for line in ("lambda_rec: 5.0", "decay_epochs: 1,3", "lr: 0.002", "epochs: 2"):
        assert f"{line}\t[default:" in saved
    assert (tmp_path / "checkpoints" / "sizes" / "iter.txt").read_text() == "3,0\n"


def test_fine_tuning_starts_from_the_pretrained_weights(run, dataset, tmp_path):
    train(run, "--name", "first", "--epochs", 1)
    first = tmp_path / "checkpoints" / "first"
    train(run, "--name", "second", "--epochs", 1, "--load_pretrain", first, "--lr", 0)
    assert_same({"G": weights(tmp_path / "checkpoints" / "second")["G"]}, {"G": weights(first)["G"]})
    assert (tmp_path / "checkpoints" / "second" / "iter.txt").read_text() == "2,0\n"
    # What helps new models to begin is for these alone.
    for name, start, weight in (("first", 500, 4.0), ("second", 0, 1.0)):
        saved = (tmp_path / "checkpoints" / name / "opt.txt").read_text()
        assert f"steady_start: {start}" in saved
        assert f"lambda_adv: {weight}" in saved


def test_fine_tuning_with_more_classes(run, dataset, tmp_path):
    train(run, "--name", "three", "--epochs", 1)
    three = tmp_path / "checkpoints" / "three"
    shutil.copytree(dataset / "train15-19", dataset / "train30-39")
    train(run, "--name", "four", "--epochs", 1, "--load_pretrain", three, "--lr", 0, "--sort_order",
          "0-2,15-19,30-39,50-69")  # fmt: skip
    old, new = weights(three), weights(tmp_path / "checkpoints" / "four")
    for network, name, dim in (
        ("G", "decoder.mlp.model.1.linear.weight_orig", 1),
        ("G", "age_encoder.encoder.15.conv.bias", 0),
        ("D", "gan_head.3.conv.weight_orig", 0),
    ):
        known = old[network][name].tensor_split(3, dim)
        made = new[network][name].tensor_split(4, dim)
        for block, source in zip(made, (0, 1, 1, 2), strict=True):
            assert torch.equal(block, known[source]), name


def test_fine_tuning_from_a_shipped_moving_average_takes_its_sizes(run, dataset, tiny_model, tmp_path):
    done = run("train.py", "--gpu_ids", -1, "--nThreads", 0, "--dataroot", "people", "--n_layers_D", 2, "--ndf", 4,
               "--name", "tuned", "--epochs", 1, "--lr", 0, "--load_pretrain", "checkpoints/tiny")  # fmt: skip
    assert "the discriminator begins anew" in done.stderr
    shipped = torch.load(tmp_path / "checkpoints/tiny/latest_net_g_running.pth", weights_only=True)
    assert_same({"G": weights(tmp_path / "checkpoints" / "tuned")["G"]}, {"G": shipped})


def test_a_pretrained_model_is_made_wider_and_that_is_reported(run, dataset, tiny_model):
    arguments = ("--gpu_ids", -1, "--nThreads", 0, "--dataroot", "people", "--n_layers_D", 2, "--ndf", 4, "--name",
                 "wide", "--load_pretrain", "checkpoints/tiny", "--ngf", 8, "--dry-run")  # fmt: skip
    assert "each channel of its --ngf 4 is taken 2 times" in run("train.py", *arguments).stderr
    refused = run("train.py", *arguments, "--decoder_norm", "none", code=2).stderr
    assert "--ngf 8" in refused.splitlines()[-1]


def test_pictures_that_are_not_square(run, tmp_path):
    write_dataset(tmp_path / "people", size=32)
    for path in (tmp_path / "people").rglob("*.png"):
        with Image.open(path) as image:
            image.crop((0, 0, 32, 27)).save(path)
    train(run, "--name", "wide", "--epochs", 1, "--loadSize", 32, "--fineSize", 32, "--resize_or_crop", "scale_width")
    error = train(run, "--name", "flat", "--epochs", 1, "--n_layers_D", 3, "--loadSize", 32, "--fineSize", 32,
                  "--resize_or_crop", "scale_width", code=2).stderr  # fmt: skip
    assert "pictures get 32x28 pixels" in error.splitlines()[-1]


def test_a_run_goes_on_with_another_learning_rate(run, dataset, tmp_path):
    folder = tmp_path / "checkpoints" / "run"
    train(run, "--name", "run", "--epochs", 1)
    before = weights(folder)
    train(run, "--name", "run", "--epochs", 2, "--continue_train", "--lr", 0)
    assert_same({"G": weights(folder)["G"]}, {"G": before["G"]})
    decay = ("--lr", 0.1, "--decay_epochs", "1,2", "--decay_gamma", 0)
    train(run, "--name", "run", "--epochs", 3, "--continue_train", *decay)
    assert_same({"G": weights(folder)["G"]}, {"G": before["G"]})
    train(run, "--name", "run", "--epochs", 4, "--continue_train", "--decay_epochs", 9)
    assert not torch.equal(*(of["G"]["decoder.conv_img.0.conv.weight_orig"] for of in (weights(folder), before)))


def test_pairs_of_one_person_are_scored_against_the_truth(run, dataset, tmp_path):
    train(run, "--name", "paired", "--epochs", 1, "--lambda_paired", 10, "--lambda_ssim", 2, "--print_freq", 2)
    metrics = (tmp_path / "checkpoints" / "paired" / "metrics.jsonl").read_text().splitlines()
    assert all(0 < json.loads(line)["loss_G_Paired"] < 20 for line in metrics)
    assert all(0 < json.loads(line)["loss_G_SSIM"] < 4 for line in metrics)
    # A picture that only one class has is no pair. With either loss it must be left out.
    copy_first = dataset / "train0-2"
    for folder in (copy_first, copy_first / "parsings"):
        shutil.copy(next(folder.glob("*.png")), folder / "alone.png")
    for loss in ("--lambda_paired", "--lambda_ssim"):
        assert "class 0-2: 4 pictures" in train(run, "--dry-run", loss, 1).stderr
    assert "class 0-2: 5 pictures" in train(run, "--dry-run").stderr


def test_true_pictures_alone_begin_a_run_that_the_whole_loss_ends(run, dataset, tmp_path):
    train(run, "--name", "first", "--epochs", 1, *PAIRED_ONLY, "--print_freq", 2)
    train(run, "--name", "first", "--epochs", 2, "--continue_train", "--print_freq", 2)
    metrics = (tmp_path / "checkpoints" / "first" / "metrics.jsonl").read_text().splitlines()
    assert all(name == "loss_G_Paired" for line in metrics for name in json.loads(line) if name.startswith("loss_"))
    train(run, "--name", "second", "--epochs", 1, "--load_pretrain", "checkpoints/first", "--lambda_paired", 10)
    assert (tmp_path / "checkpoints" / "second" / "latest_net_D.pth").is_file()


def test_bfloat16_stays_within_a_band_of_float32(run, tmp_path):
    """200 iterations on synthetic people: the mean of each loss over the second half is within 15 %."""
    run("datasets/synthesize.py", "--out", "drawn", "--together", "--identities", 40, "--size", 16,
        "--test_fraction", 0)  # fmt: skip
    means, warned = {}, {}
    for precision in ("fp32", "bf16"):
        done = run("train.py", "--gpu_ids", -1, "--nThreads", 0, "--loadSize", 16, "--fineSize", 16, "--ngf", 4,
            "--ndf", 4, "--n_layers_D", 2, "--gen_dim_per_style", 2, "--dataroot", "drawn", "--batchSize", 2,
            "--epochs", 4, "--print_freq", 2, "--name", precision, "--precision", precision)  # fmt: skip
        warned[precision] = "only imitates it" in done.stderr
        lines = (tmp_path / "checkpoints" / precision / "metrics.jsonl").read_text().splitlines()[:200]
        assert len(lines) == 200
        half = [json.loads(line) for line in lines[100:]]
        means[precision] = {n: sum(m[n] for m in half) / 100 for n in half[0] if n.startswith("loss_")}
    assert means["bf16"] == {name: pytest.approx(value, rel=0.15) for name, value in means["fp32"].items()}
    assert means["bf16"] != means["fp32"]
    assert warned == {"fp32": False, "bf16": fast_precision(torch.device("cpu")) == "fp32"}


def test_help_says_how_to_get_the_papers_initial_weights():
    text = " ".join(train_parser().format_help().split())
    assert "paper gives the paper's (default: centered)" in text


def test_dry_run_describes_the_run_and_writes_nothing(run, dataset, tmp_path):
    done = train(run, "--dry-run", "--lr", 0.003)
    assert "lr: 0.003\t[default: 0.001]" in done.stderr
    assert "class 15-19: 4 pictures" in done.stderr
    assert "network G:" in done.stderr
    assert not (tmp_path / "checkpoints").exists()


def test_debug_is_one_epoch_shown_at_every_iteration(run, dataset, tmp_path):
    train(run, "--name", "debug", "--debug")
    assert len((tmp_path / "checkpoints" / "debug" / "loss_log.txt").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--init", "random"], "--init"),
        (["--epochs", "0"], "--epochs"),
        (["--lr", "fast"], "--lr"),
        (["--beta1", "1"], "--beta1"),
        (["--decay_epochs", "1,two"], "--decay_epochs"),
        (["--use_modulated_conv", "maybe"], "--use_modulated_conv"),
        (["--epoch", "3"], "--epoch"),
        (["--fineSize", "18"], "--fineSize 18"),
        (["--loadSize", "12"], "--loadSize 12"),
        (["--n_layers_D", "3"], "--n_layers_D 3"),
        (["--num_D", "3"], "--num_D 3"),
        (["--train_outer_levels", "3"], "--train_outer_levels 3"),
        (["--train_outer_levels", "1"], "--load_pretrain"),
        (["--augment_inputs", "50"], "--augment_inputs"),
        (["--cuda_graph"], "--cuda_graph"),
        ([*PAIRED_ONLY, "--lambda_paired", "0"], "--lambda_adv"),
        (["--input_nc", "1"], "--input_nc 1"),
        (["--sort_order", "0-2"], "--sort_order"),
        (["--sort_order", "0-2,0-2"], "--sort_order"),
        (["--sort_order", "0-2,3-6"], "train3-6"),
        (["--dataroot", "nowhere"], "nowhere"),
        (["--batchSize", "7"], "--batchSize 7"),
        (["--continue_train"], "latest_state.pth"),
        (["--load_pretrain", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_clear_line(run, dataset, arguments, message):
    error = train(run, *arguments, code=2).stderr.strip().splitlines()
    assert message in error[-1]
    # argparse prints its usage line first; nothing else is printed.
    assert [line for line in error[:-1] if not line.startswith("usage:")] == []


def test_options_of_another_network_cannot_resume(run, dataset):
    train(run, "--name", "mine", "--epochs", 1)
    error = train(run, "--name", "mine", "--continue_train", "--ngf", 8, code=2).stderr
    assert "latest_state.pth" in error
    assert "--ngf" in error


def test_class_names_of_any_kind_keep_their_order(run, tmp_path):
    root = write_dataset(tmp_path / "people")
    for name, new in zip(CLASSES, ("young", "grown up", "old"), strict=True):
        (root / f"train{name}").rename(root / f"train{new}")
    done = train(run, "--sort_order", "young,grown up,old", "--epochs", 1)
    order = re.findall(r"class (.*): 4 pictures", done.stderr)
    assert order == ["young", "grown up", "old"]
