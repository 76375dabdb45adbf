"""Exports a model to ONNX, for programs without PyTorch: python export.py --name demo_model."""

from util.errors import run_command

# isort: split
import argparse
import json
import logging
from pathlib import Path

from models.checkpoint import CheckpointFolder, load_weights
from models.generator import Generator
from models.model_folder import ModelOptions, read_model_options
from models.onnx_export import check_onnx, export_onnx
from options.named_model import find_model
from options.types import path, relative_name
from util.files import atomic_folder

logger = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Export a model to ONNX: encoder, mapping network and decoder, and what a program must know of "
        "them in model.json. The files are compared with PyTorch and timed. Needs requirements-export.txt.",
        usage="export.py [options]; export.py --help lists them",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--name", type=relative_name, required=True, metavar="NAME", help="model: a folder below --checkpoints_dir"
    )
    parser.add_argument(
        "--checkpoints_dir", type=path, default=Path("checkpoints"), metavar="PATH", help="folder of the models"
    )
    parser.add_argument(
        "--which_epoch", type=relative_name, default="latest", metavar="NAME", help="checkpoint: latest or an epoch"
    )
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="folder of the files (default: results/<name>/onnx_<epoch>)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier export")
    return parser


def main() -> int:
    options = parser().parse_args()
    folder = find_model(options)
    model = read_model_options(folder)
    generator = Generator(model.generator_config).eval().requires_grad_(False)
    load_weights(generator, CheckpointFolder(folder).weights(options.which_epoch, model.network))
    out: Path = options.out or Path("results", options.name, f"onnx_{options.which_epoch}")
    with atomic_folder(out, overwrite=options.overwrite) as new:
        export_onnx(generator, model.fineSize, new)
        for check in check_onnx(generator, model.fineSize, new):
            logger.info(
                "%s: differs from PyTorch by %.1e; %.1f ms a picture, PyTorch %.1f ms",
                check.name,
                check.difference,
                check.onnx_ms,
                check.torch_ms,
            )
        text = json.dumps(description(options.name, options.which_epoch, model), indent=2)
        (new / "model.json").write_text(text + "\n", encoding="utf-8")
    logger.info("written to %s", out)
    return 0


def description(name: str, epoch: str, model: ModelOptions) -> dict[str, object]:
    """What a program must know to use the files."""
    return {
        "model": name,
        "epoch": epoch,
        "size": model.fineSize,
        "images": "(B, 3, size, size): RGB from -1 to 1; everything but the person is grey, 128 of 255",
        "codes": "(B, classes * entries_per_class): normal noise, plus 1 on the entries of the class",
        "classes": model.sort_order,
        "entries_per_class": model.gen_dim_per_style,
        "noise_sigma": model.noise_sigma,
        "between_classes": "blend the latents of two neighbouring classes",
    }


if __name__ == "__main__":
    run_command(main)
