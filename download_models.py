"""Fetches the published models (spec/cli.md)."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from util.download import PUBLISHED, Network, download
from util.errors import run_command


def http_address(text: str) -> str:
    """An address that files can be fetched from."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"'{text}' is no http:// or https:// address")
    return text


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Fetch the published models, about 1.2 GB. Files that are there and right are left alone; a "
        "download that was broken off is resumed. deeplab_backbone is only a starting point for training the face "
        "parser: using the models does not need it.",
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
        help="folder on a server of your own that holds the files (males_model.zip, ...), asked instead of the "
        "published sources",
    )
    parser.add_argument(
        "--out",
        type=Path,
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
    return 1 if download(files, options.out, Network()) else 0


if __name__ == "__main__":
    run_command(main)
