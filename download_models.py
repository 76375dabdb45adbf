"""Fetches the published models (docs/method.md, Weights on disk)."""

from util.errors import run_command

# isort: split
import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from options.types import path
from util.download import PublishedFile, download, is_complete
from util.http import Network

logger = logging.getLogger(__name__)

LICENCE = "CC BY-NC-SA 4.0, not for commercial use"


def _published(path: str, size: int, md5: str, drive_id: str) -> PublishedFile:
    drive = f"https://drive.google.com/uc?export=download&id={drive_id}"
    alternate = "https://grail.cs.washington.edu/projects/lifespan_age_transformation_synthesis/pretrained_models/"
    return PublishedFile(Path(path), size, md5, (drive, alternate + Path(path).name))


# fmt: off
PUBLISHED: Mapping[str, PublishedFile] = {
    "males_model": _published("checkpoints/males_model.zip", 213175683, "0079186147ec816176b946a073d1f396", "1MsXN54hPi9PWDmn1HKdmKfv-J5hWYFVZ"),  # noqa: E501
    "females_model": _published("checkpoints/females_model.zip", 213218113, "0675f809413c026170cf1f22b27f3c5d", "1LNm0zAuiY0CIJnI0lHTq1Ttcu9_M1NAJ"),  # noqa: E501
    "deeplab_model": _published("deeplab_model/deeplab_model.pth", 464446305, "8e8345b1b9d95e02780f9bed76cc0293", "1w2XjDywFr2NjuUWaLQDRktH7VwIfuNlY"),  # noqa: E501
    "deeplab_backbone": _published("deeplab_model/R-101-GN-WS.pth.tar", 178260167, "aa48cc3d3ba3b7ac357c1489b169eb32", "1oRGgrI4KNdefbWVpw0rRkEP1gbJIRokM"),  # noqa: E501
    "landmarks": _published("util/shape_predictor_68_face_landmarks.dat", 99693937, "73fde5e05226548677a050913eed4e04", "1fhq5lvWy-rjrzuHdMoZfLsULvF0gJGwD"),  # noqa: E501
}
# fmt: on


def http_address(text: str) -> str:
    """An address that files can be fetched from."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"'{text}' is not an http:// or https:// address")
    return text


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Fetch the published models, about 1.2 GB. Files that are there and right are left alone, and a "
        "download that was broken off is resumed. deeplab_backbone only serves to train the face parser: nobody who "
        "uses the models needs it.",
        usage="download_models.py [options]; download_models.py --help lists them",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--only",
        nargs="+",
        action="extend",
        choices=PUBLISHED,
        metavar="NAME",
        help=f"fetch these instead of all five: {', '.join(PUBLISHED)}",
    )
    parser.add_argument(
        "--mirror",
        type=http_address,
        metavar="URL",
        help="take the files (males_model.zip, ...) from this folder on a server of your own",
    )
    parser.add_argument(
        "--out",
        type=path,
        default=Path(__file__).parent,
        metavar="DIR",
        help="put checkpoints/, deeplab_model/ and util/ under this folder instead of beside this command",
    )
    return parser


def main() -> int:
    options = parser().parse_args()
    files = {name: file for name, file in PUBLISHED.items() if name in (options.only or PUBLISHED)}
    if options.mirror:
        files = {name: file.at_mirror(options.mirror) for name, file in files.items()}
    missing = {name: file for name, file in files.items() if not is_complete(file, options.out)}
    for name in files:
        if name not in missing:
            logger.info("%s: already there", name)
    if missing:
        sizes = ", ".join(f"{name} ({file.size / 1e6:.0f} MB)" for name, file in missing.items())
        logger.info("fetching %s; licence: %s", sizes, LICENCE)
    return 1 if download(missing, options.out, Network()) else 0


if __name__ == "__main__":
    run_command(main)
