"""Curves and pictures in a visdom server."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import requests

from util.files import ascii_name
from util.visualizer.history import History, Progress
from util.visualizer.sinks import PictureSink, by_side

if TYPE_CHECKING:
    import visdom

logger = logging.getLogger(__name__)

# Seconds. Training must not wait long for a busy server, or for a program that accepts connections without answering.
_GREETING_TIMEOUT = 2
_PLOT_TIMEOUT = 10


class VisdomPlots(PictureSink):
    """Curves and pictures in a visdom server; all windows of a run are in the environment of its name.

    If no server answers, one warning says so. Later attempts follow, and the first that succeeds sends all losses.

    Args:
        port: port of the server on this machine.
        name: name of the run.
        window: number that begins the names of this run's windows.
        columns: most pictures in a row, which holds one side of the pair; with 0, each picture has its own window.
        width: width of a picture's window in pixels.
        history: the losses that the curves show.
        picture_every: training pairs between two displays of pictures.
        retry_after: seconds from one failed attempt to the next.
    """

    def __init__(
        self,
        port: int,
        name: str,
        window: int,
        columns: int,
        width: int,
        history: History,
        picture_every: int,
        retry_after: float = 10.0,
    ) -> None:
        self._port, self._name, self._env, self._window = port, name, ascii_name(name), window
        self._columns, self._width = columns, width
        self._history = history
        self.picture_every = picture_every
        self._retry_after = retry_after
        self._server: visdom.Visdom | None = None
        self._next_try = 0.0
        self._warned = False
        # The client's own log would repeat the messages below.
        logging.getLogger("visdom").setLevel(logging.CRITICAL)

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        series = self._history.series()
        # visdom draws a line for each column, but accepts a single line only as a vector.
        x, y = (
            np.array([[point[axis] for point in points] for points in series.values()]).T.squeeze() for axis in (0, 1)
        )
        options = {
            "title": f"{self._name}: losses",
            "legend": list(series),
            "xlabel": "training pairs",
            "ylabel": "loss",
        }
        self._show(lambda server: server.line(y, x, win=f"{self._window}_losses", opts=options))

    def pictures(self, progress: Progress, pictures: Mapping[str, np.ndarray]) -> None:
        def plot(server: "visdom.Visdom") -> None:
            if self._columns:
                stack = np.stack([pixels.transpose(2, 0, 1) for pixels in pictures.values()])
                caption = f"epoch {progress.epoch}; " + ", ".join(pictures)
                options = {"title": f"{self._name}: pictures", "caption": caption}
                columns = min(self._columns, max(map(len, by_side(pictures))))
                server.images(stack, nrow=columns, win=f"{self._window}_pictures", opts=options)
                return
            for number, (label, pixels) in enumerate(pictures.items()):
                window = {"title": label, "width": self._width, "height": self._width}
                server.image(pixels.transpose(2, 0, 1), win=f"{self._window}_picture{number}", opts=window)

        self._show(plot)

    def _show(self, plot: "Callable[[visdom.Visdom], object]") -> None:
        if self._server is None and time.monotonic() < self._next_try:
            return
        try:
            if self._server is None:
                self._server = _connect(self._port, self._env)
                logger.info("visdom shows this run: http://localhost:%d/env/%s", self._port, self._env)
            plot(self._server)
            if self._warned:
                logger.info("visdom answers again: plotting goes on")
                self._warned = False
        except OSError:
            self._server = None
            self._next_try = time.monotonic() + self._retry_after
            if not self._warned:
                logger.warning(
                    "No visdom server on port %d: training goes on without plots. To see them, start one: "
                    "python -m visdom.server -port %d (if another program uses the port, choose one with "
                    "--display_port); --display_id 0 turns plots off",
                    self._port,
                    self._port,
                )
                self._warned = True


def _connect(port: int, env: str) -> "visdom.Visdom":
    """A client of the server on this machine; raises OSError if there is none, or if another program answers."""
    # The client loads slowly, and only runs with plots need it.
    import visdom

    session = requests.Session()
    # A proxy from the environment variables would look for the port on its own machine.
    session.trust_env = False
    greeting = session.post(f"http://localhost:{port}/env_state", data="{}", timeout=_GREETING_TIMEOUT)
    greeting.raise_for_status()
    if not isinstance(greeting.json(), list):
        raise ConnectionError("the answer is not a list of environments")

    class Client(visdom.Visdom):
        # The client's documentation names this method as the one to override.
        def _handle_post(self, url: str, data: str | None = None) -> str:
            reply = session.post(url, data=data, timeout=_PLOT_TIMEOUT)
            reply.raise_for_status()
            return reply.text

    return Client(port=port, env=env, raise_exceptions=True, use_incoming_socket=False)
