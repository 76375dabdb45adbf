"""Serves a page that shows the person of a photo at every age; `python app.py --help` lists the options."""

from util.errors import UserError, run_command

# isort: split
import argparse
import logging
import os
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch

from data.in_the_wild.cut_out import Parse
from download_models import LICENCE, PUBLISHED
from evaluation.judge import seen_age
from interface.portraits import AlignedPhoto, ReadPhoto
from interface.series import UsableModel
from interface.shelf import Shelf
from interface.visits import Visits
from models.checkpoint import CheckpointFolder
from models.face_parser import DEEPLAB_WEIGHTS, FaceParserName, choose_face_parser
from models.model_folder import find_model, read_model_options
from models.precision import fast_precision
from models.transformer import AgeTransformer
from options.app import app_parser
from util.device import choose_device
from util.interrupt import stop_requests
from util.provenance import source_id

logger = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parent
# A visitor takes some 60 MB while the page is open: the photo and the frames.
_MOST_VISITORS = 20
# Where the published models are fetched to, and with which other files they work.
_FETCHABLE = {name: [PUBLISHED[name], PUBLISHED["deeplab_model"]] for name in ("males_model", "females_model")}


def main() -> int:
    options = app_parser().parse_args()
    device = choose_device(options.gpu_ids)
    with tempfile.TemporaryDirectory(prefix="lifespan-") as private:
        # Gradio reads these when it is imported. It keeps uploads in this folder, which no other user can read.
        os.environ.update(GRADIO_TEMP_DIR=private, GRADIO_ANALYTICS_ENABLED="False")
        try:
            from interface.events import Events
            from interface.page import build, served
        except ModuleNotFoundError as error:
            raise UserError(f"{error.name}: not installed; run pip install -r requirements-app.txt") from error
        events = Events(
            shelf=model_shelf(options, device),
            visits=Visits(Path(private), _MOST_VISITORS),
            parser=lambda: face_parser(options.parser, device, installed=DEEPLAB_WEIGHTS.is_file()),
            judge=judge,
            samples=samples(),
            licence=LICENCE,
        )
        with stop_requests() as stop:
            events.warm_up()
            with served(build(events), port=options.port, share=options.share) as address:
                logger.info("open %s in a browser; Ctrl-C ends the page", address)
                while not stop:
                    time.sleep(0.2)
    return 0


def model_shelf(options: argparse.Namespace, device: torch.device) -> Shelf:
    """The models in --checkpoints_dir, and the published ones if this page's visitors may fetch them."""

    def load(name: str) -> UsableModel:
        folder = find_model(name, options.checkpoints_dir)
        of_model = read_model_options(folder)
        return UsableModel(
            name=name,
            weights=source_id(CheckpointFolder(folder).weights("latest", of_model.network)),
            transformer=AgeTransformer.from_pretrained(
                folder, device=device, precision=options.precision or fast_precision(device), engine=options.engine
            ),
            transform=of_model.transform(flip=False),
            load_size=of_model.loadSize,
            classes=of_model.sort_order,
        )

    # Strangers must not fill the disk, and files go to the usual folder only.
    usual = options.checkpoints_dir.resolve() == _ROOT / "checkpoints"
    fetchable = _FETCHABLE if usual and not options.share else {}
    shelf = Shelf(options.checkpoints_dir, load, fetchable=fetchable, root=_ROOT)
    if not shelf.names():
        raise UserError(
            f"--checkpoints_dir {options.checkpoints_dir}: it holds no model; give the folder of your models"
        )
    return shelf


@cache
def face_parser(name: FaceParserName, device: torch.device, *, installed: bool) -> Parse:
    """The face parser. It is chosen anew when the published one has been fetched, as `installed` then changes."""
    return choose_face_parser(name, device)


def judge(pixels: np.ndarray) -> float | None:
    """The age that is seen in (H, W, 3) uint8, or None. Nothing is logged about visitors."""
    try:
        return seen_age(pixels)
    # The estimate is an extra. Whatever goes wrong in it, the pictures can still be made.
    except Exception as error:
        logger.warning("an age could not be estimated (%s)", error)
        return None


def samples() -> dict[Path, Callable[[Path], ReadPhoto | AlignedPhoto]]:
    """The pictures that visitors can try: drawn people, who are aligned already, and a real photo."""
    drawn: dict[Path, Callable[[Path], ReadPhoto | AlignedPhoto]] = {
        path: AlignedPhoto for path in sorted((_ROOT / "assets" / "people").glob("*.png"))
    }
    return drawn | {_ROOT / "assets" / "astronaut.png": ReadPhoto.read}


if __name__ == "__main__":
    run_command(main)
