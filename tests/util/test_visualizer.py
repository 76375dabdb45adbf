"""The HTML log, the text logs, plots in a real visdom server, and sinks that fail."""

import base64
import io
import json
import logging
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import requests
from PIL import Image

from tests.conftest import TINY
from tests.outputs.test_results_page import Page
from util.errors import UserError
from util.visualizer import (
    History,
    HtmlLog,
    LossLog,
    MetricsLog,
    Progress,
    Sink,
    Summary,
    TensorBoard,
    VisdomPlots,
    Visualizer,
    truncate_logs,
)

LOSSES = {"loss_G_Rec": 1.5, "loss_D_real": 0.25}
PICTURES = {f"{side} {kind}": np.full((8, 8, 3), 9, np.uint8) for side in "AB" for kind in ("real 0-2", "cycled 0-2")}


def progress(pairs: int) -> Progress:
    return Progress(1, pairs, pairs, 0.1)


@contextmanager
def visdom_server(port, folder):
    # `python -m visdom.server` would first download scripts for the server's page.
    start = "from visdom.server.run_server import main; main()"
    command = [sys.executable, "-c", start, "-port", str(port), "-env_path", str(folder), "--hostname", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def windows(address: str, env: str) -> dict[str, dict]:
    """The windows of an environment by their names, as the server stores them."""
    reply = requests.post(f"{address}/win_data", json={"eid": env, "win": None}, timeout=10)
    return json.loads(reply.text) or {}


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_visdom_comes_late_goes_and_comes_back(tmp_path, port, caplog):
    caplog.set_level(logging.INFO)
    history = History(tmp_path / "metrics.jsonl")
    plots = VisdomPlots(port, "people", 1, 4, 256, history, picture_every=1, retry_after=0.0)
    shown = Visualizer([plots], history)
    for pairs in (1, 2):
        shown.losses(progress(pairs), LOSSES)
        shown.pictures(progress(pairs), PICTURES, 1)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert f"python -m visdom.server -port {port}" in warnings[0]
    with visdom_server(port, tmp_path) as address:
        shown.losses(progress(3), LOSSES)
        shown.pictures(progress(3), PICTURES, 1)
        found = windows(address, "people")
        assert set(found) == {"1_losses", "1_pictures"}
        curve = found["1_losses"]["content"]["data"][0]
        # The curve includes the losses from before the server started.
        assert curve["x"] == [1, 2, 3]
        assert curve["y"] == [1.5] * 3
        assert "A real 0-2" in found["1_pictures"]["content"]["caption"]
        # Each side has its row: two pictures of 8 pixels with visdom's margins, although four would fit.
        src = found["1_pictures"]["content"]["src"]
        assert Image.open(io.BytesIO(base64.b64decode(src.partition(",")[2]))).size == (24, 24)
    shown.losses(progress(4), LOSSES)
    with visdom_server(port, tmp_path) as address:
        shown.losses(progress(5), LOSSES)
        assert windows(address, "people")["1_losses"]["content"]["data"][0]["x"] == [1, 2, 3, 4, 5]
    assert caplog.text.count("visdom answers again") == 2


def test_the_environment_has_an_ascii_name_and_the_address_that_is_printed_shows_it(tmp_path, port, caplog):
    caplog.set_level(logging.INFO)
    history = History(tmp_path / "none")
    history.add(progress(1), LOSSES)
    with visdom_server(port, tmp_path) as address:
        VisdomPlots(port, "Großmütter/alle 1", 1, 4, 256, history, 1).losses(progress(1), LOSSES)
        (shown,) = re.findall(r"http://localhost:\d+/env/(\S+)", caplog.text)
        assert shown == "Grossmutter_alle_1"
        assert set(windows(address, shown)) == {"1_losses"}
        assert f"'{shown}'" in requests.get(f"{address}/env/{shown}", timeout=10).text


def test_a_proxy_does_not_stand_between_training_and_visdom(tmp_path, port, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, dead)
        monkeypatch.delenv("no_proxy", raising=False)
        history = History(tmp_path / "none")
        history.add(progress(1), LOSSES)
        with visdom_server(port, tmp_path) as address:
            VisdomPlots(port, "direct", 1, 4, 256, history, 1).losses(progress(1), LOSSES)
            monkeypatch.undo()
            assert set(windows(address, "direct")) == {"1_losses"}


@pytest.mark.parametrize("status", [200, 204, 302, 404, 500])
@pytest.mark.parametrize("content", [b"<html>welcome</html>", b'{"ok": true}'])
def test_another_web_server_on_the_port_counts_as_no_visdom(tmp_path, caplog, status, content):
    class Other(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Location", "/")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        history = History(tmp_path / "none")
        shown = Visualizer([VisdomPlots(server.server_port, "x", 1, 4, 256, history, 1, retry_after=0.0)], history)
        for pairs in (1, 2):
            shown.losses(progress(pairs), LOSSES)
        server.shutdown()
    (warning,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(f"No visdom server on port {server.server_port}")
    assert "--display_port" in warning


def test_training_plots_to_a_live_server(run, dataset, tmp_path, port):
    arguments = [*TINY, "--dataroot", "people", "--batchSize", 2, "--epochs", 2, "--name", "live", "--print_freq", 2]
    with visdom_server(port, tmp_path / "visdom") as address:
        done = run("train.py", *arguments, "--display_port", port, "--display_freq", 4, "--display_id", 3,
                   "--display_single_pane_ncols", 0)  # fmt: skip
        found = windows(address, "live")
    assert "No visdom server" not in done.stderr
    assert f"http://localhost:{port}/env/live" in done.stderr
    assert set(found) == {"3_losses", *(f"3_picture{number}" for number in range(8))}
    assert len(found["3_losses"]["content"]["data"]) == 8
    titles = {window["title"] for window in found.values()}
    assert any(title.startswith("B reconstructed") for title in titles)


def test_without_a_server_training_goes_on_after_one_warning(run, dataset, port):
    arguments = [*TINY, "--dataroot", "people", "--batchSize", 2, "--epochs", 2, "--print_freq", 2]
    done = run("train.py", *arguments, "--display_port", port, "--display_freq", 2)
    assert done.stderr.count("No visdom server on port") == 1
    done = run("train.py", *arguments, "--display_port", port, "--display_id", 0, "--overwrite")
    assert "visdom" not in done.stderr.replace("display", "")


def test_the_html_log_is_readable_from_disk_newest_first(run, dataset, tmp_path):
    common = "--dataroot people --batchSize 2 --display_id 0 --name log --print_freq 2"
    arguments = [*TINY, *common.split()]
    run("train.py", *arguments, "--epochs", 1, "--save_display_freq", 4)
    run("train.py", *arguments, "--epochs", 2, "--save_display_freq", 4, "--continue_train")
    web = tmp_path / "checkpoints" / "log" / "web"
    text = (web / "index.html").read_text()
    assert [text.index(f"{pairs} pairs") for pairs in (12, 8, 4)] == sorted(
        text.index(f"{n} pairs") for n in (4, 8, 12)
    )
    page = Page(web / "index.html")
    assert len(page.images) == 3 * 8
    assert all((web / image["src"]).is_file() for image in page.images)
    captions = [image["alt"].rsplit(" ", 1)[0] for image in page.images[:8]]
    assert captions == [
        f"{side} {kind}" for side in "AB" for kind in ("real", "synthesised", "reconstructed", "cycled")
    ]
    # The curves show all eight losses, and each kind has a chart with its own scale.
    assert text.count('id="line-') == 8
    assert text.count('class="chart"') == 4
    for fact in ("log", "people", "0", "2", "12", r"\d{4}-\d\d-\d\d \d\d:\d\d"):
        assert re.search(f"<dd>{fact}</dd>", text)
    assert "http" not in text.replace("http-equiv", "")


def test_training_logs_speed_and_memory_and_summarises_each_epoch(run, dataset, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    arguments = [*TINY, "--dataroot", "people", "--batchSize", 2, "--display_id", 0, "--name", "logged"]
    arguments += ["--print_freq", 2, "--display_freq", 6, "--tensorboard"]
    run("train.py", *arguments, "--epochs", 2)
    run("train.py", *arguments, "--epochs", 3, "--continue_train")
    folder = tmp_path / "checkpoints" / "logged"
    lines = (folder / "loss_log.txt").read_text().splitlines()
    assert len(lines) == 9
    for line in lines:
        assert float(re.search(r" pairs_per_second: (\S+)", line)[1]) > 0
        assert 0.05 < float(re.search(r" peak_memory_GiB: (\S+)", line)[1]) < 8
    rows = [row.split(",") for row in (folder / "summary.csv").read_text().splitlines()]
    assert rows[0][:2] == ["epoch", "total_pairs"]
    assert rows[0][-1] == "pairs_per_second"
    assert [row[:2] for row in rows[1:]] == [["1", "6"], ["2", "12"], ["3", "18"]]
    events = accumulator.EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("peak_memory_GiB")] == list(range(2, 20, 2))
    assert [event.step for event in events.Images("pictures")] == [6, 12, 18]


def test_no_html_writes_none(run, dataset, tmp_path):
    run("train.py", *TINY, "--dataroot", "people", "--display_id", 0, "--debug", "--no_html", "--name", "bare")
    assert not (tmp_path / "checkpoints" / "bare" / "web").exists()
    run("train.py", *TINY, "--dataroot", "people", "--display_id", 0, "--debug", "--name", "debugged")
    assert len(list((tmp_path / "checkpoints" / "debugged" / "web" / "images").iterdir())) == 6


def test_a_sink_that_fails_is_dropped_and_the_others_go_on(tmp_path, caplog):
    class Failing(Sink):
        def losses(self, progress, losses):
            raise ValueError("no such thing")

    metrics = MetricsLog(tmp_path)
    history = History(metrics.path)
    shown = Visualizer([Failing(), LossLog(tmp_path), metrics], history)
    for pairs in (1, 2):
        shown.losses(progress(pairs), LOSSES)
    assert caplog.text.count("Failing stops: no such thing") == 1
    assert len((tmp_path / "loss_log.txt").read_text().splitlines()) == 2
    # A line that a crash cut short is dropped, and the next one is complete.
    with metrics.path.open("a") as file:
        file.write('{"epoch": 1, "lo')
    MetricsLog(tmp_path).losses(progress(3), LOSSES)
    assert History(metrics.path).series()["loss_G_Rec"] == [(1, 1.5), (2, 1.5), (3, 1.5)]


def test_speed_and_memory_stand_behind_the_losses(tmp_path, capsys):
    metrics = MetricsLog(tmp_path)
    shown = Visualizer([LossLog(tmp_path), metrics], History(metrics.path))
    shown.losses(progress(40), LOSSES)
    shown.losses(replace(progress(80), seconds=0.08, peak_memory=3.25), LOSSES)
    assert (tmp_path / "loss_log.txt").read_text().splitlines() == [
        "(epoch: 1, iters: 40, time: 0.100) loss_G_Rec: 1.500 loss_D_real: 0.250 pairs_per_second: 10.000",
        "(epoch: 1, iters: 80, time: 0.080) loss_G_Rec: 1.500 loss_D_real: 0.250 pairs_per_second: 12.500 "
        "peak_memory_GiB: 3.250",
    ]
    records = [json.loads(line) for line in metrics.path.read_text().splitlines()]
    assert [record.get("pairs_per_second") for record in records] == [10, 12.5]
    assert [record.get("peak_memory_GiB") for record in records] == [None, 3.25]
    assert set(History(metrics.path).series()) == set(LOSSES)


def test_the_summary_has_a_row_for_each_epoch(tmp_path):
    metrics = MetricsLog(tmp_path)
    history = History(metrics.path)
    shown = Visualizer([metrics, Summary(tmp_path, history)], history)
    for loss in (1.0, 2.0):
        shown.losses(progress(4), {"loss_G_Rec": loss})
    shown.end_epoch(progress(8), {})
    # The run is stopped inside the second epoch and resumed with another loss.
    shown.losses(Progress(2, 4, 12, 0.5), {"loss_G_Rec": 5.0})
    history = History(metrics.path)
    shown = Visualizer([metrics, Summary(tmp_path, history)], history)
    shown.losses(Progress(2, 8, 16, 0.25), {"loss_G_Rec": 6.0, "loss_G_Paired": 1.0})
    for _ in range(2):
        shown.end_epoch(Progress(2, 8, 16, 0.1), {"fid": 12.5})
    shown.end_epoch(Progress(3, 8, 24, 0.1), {})
    assert (tmp_path / "summary.csv").read_text().splitlines() == [
        "epoch,total_pairs,loss_G_Rec,pairs_per_second,loss_G_Paired,fid",
        "1,8,1.5,10,,",
        "2,16,5.5,3,1,12.5",
        "3,24,,,,",
    ]


def test_logs_are_cut_at_the_position_that_a_run_resumes_from(tmp_path):
    metrics = MetricsLog(tmp_path)
    history = History(metrics.path)
    sinks = [LossLog(tmp_path), metrics, Summary(tmp_path, history), HtmlLog(tmp_path, "Cut", history, 1, {}, {})]
    shown = Visualizer(sinks, history)
    for epoch in (1, 2, 3):
        for pairs in (4, 8):
            place = Progress(epoch, pairs, 8 * (epoch - 1) + pairs, 0.1)
            shown.losses(place, LOSSES)
            shown.pictures(place, PICTURES, 1)
        shown.end_epoch(place, {})
    for name in ("metrics.jsonl", "loss_log.txt"):
        # A crash cuts the last line short.
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-20])

    def left() -> tuple[int, ...]:
        names = ("metrics.jsonl", "loss_log.txt", "summary.csv")
        lines = (len((tmp_path / name).read_text().splitlines()) for name in names)
        return (*lines, len(list((tmp_path / "web" / "images").iterdir())))

    # The end of the second epoch is the beginning of the third.
    truncate_logs(tmp_path, epoch=3, pairs=0, total_pairs=16)
    assert left() == (4, 4, 3, 4)
    truncate_logs(tmp_path, epoch=2, pairs=4, total_pairs=12)
    assert left() == (3, 3, 2, 3)
    assert History(metrics.path).series()["loss_G_Rec"] == [(4, 1.5), (8, 1.5), (12, 1.5)]
    before = (tmp_path / "loss_log.txt").read_text()
    truncate_logs(tmp_path, epoch=2, pairs=4, total_pairs=12)
    assert (tmp_path / "loss_log.txt").read_text() == before
    truncate_logs(tmp_path, epoch=1, pairs=0, total_pairs=0)
    assert left() == (0, 0, 1, 0)
    truncate_logs(tmp_path / "new", epoch=1, pairs=0, total_pairs=0)


def test_tensorboard_shows_losses_speed_and_pictures(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = TensorBoard(tmp_path, 0, picture_every=1)
    for pairs in (1, 2, 3):
        board.losses(progress(pairs), LOSSES)
    board.pictures(progress(3), PICTURES)
    board.end_epoch(progress(2), {"fid": 12.5})
    # The run is resumed after its second pair.
    TensorBoard(tmp_path, 2, picture_every=1).losses(progress(3), {"loss_G_Rec": 9.0})
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss_G_Rec")] == [(1, 1.5), (2, 1.5), (3, 9.0)]
    assert set(events.Tags()["scalars"]) == {*LOSSES, "pairs_per_second", "fid"}
    board = TensorBoard(tmp_path / "pictures", 0, picture_every=1)
    board.pictures(progress(3), PICTURES)
    events = accumulator.EventAccumulator(str(tmp_path / "pictures" / "tensorboard"))
    events.Reload()
    (image,) = events.Images("pictures")
    # Each side has its row.
    assert (image.step, image.width, image.height) == (3, 16, 16)


def test_without_tensorboard_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install tensorboard==2\.21\.0"):
        TensorBoard(tmp_path, 0, picture_every=1)


def test_losses_share_a_chart_with_those_of_their_kind(tmp_path):
    history = History(tmp_path / "none")
    history.add(progress(1), {**LOSSES, "loss_new": 2.0})
    charts = {"Reconstruction": ["loss_G_Rec", "loss_G_Paired"], "Never measured": ["loss_no"]}
    HtmlLog(tmp_path, "Kinds", history, 1, charts, {}).pictures(progress(1), PICTURES)
    text = (tmp_path / "web" / "index.html").read_text()
    assert re.findall('aria-label="(.*?)"', text) == ["Reconstruction", "Other losses"]
    assert re.findall("(loss_[a-zA-Z_]+): ", text) == ["loss_G_Rec", "loss_D_real", "loss_new"]


def test_a_loss_that_joins_later_has_a_gap_before(tmp_path, port):
    history = History(tmp_path / "none")
    for pairs, losses in ((1, LOSSES), (2, {**LOSSES, "loss_G_Paired": 3.0})):
        history.add(progress(pairs), losses)
    assert str(history.series()["loss_G_Paired"]) == "[(1, nan), (2, 3.0)]"
    with visdom_server(port, tmp_path) as address:
        VisdomPlots(port, "gap", 1, 4, 256, history, 1).losses(progress(2), LOSSES)
        assert windows(address, "gap")["1_losses"]["content"]["data"][2]["y"] == [None, 3.0]


def test_long_histories_are_thinned(tmp_path):
    history = History(tmp_path / "none")
    for pairs in range(5000):
        history.add(progress(pairs), LOSSES)
    assert 900 <= len(history.series()["loss_D_real"]) <= 1100
    HtmlLog(tmp_path, "Long", history, 1, {}, {}).pictures(progress(5000), PICTURES)
    assert (tmp_path / "web" / "index.html").stat().st_size < 100_000
