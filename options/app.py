"""The options of app.py."""

from pathlib import Path

from options.base import CommandParser, add_engine_options
from options.types import gpu_ids, integer, path


def app_parser() -> CommandParser:
    """The command line of app.py."""
    parser = CommandParser("app.py", "Serve a page on which a photo is aged with a slider.")
    page = parser.group("page")
    page.add_argument("--port", type=integer(1, 65535), default=7860, help="port on this machine")
    page.add_argument(
        "--share",
        action="store_true",
        help="also give the page a public address, through a server of Gradio's makers that all pictures then pass",
    )
    models = parser.group("models")
    models.add_argument(
        "--checkpoints_dir", type=path, default=Path("checkpoints"), help="folder that holds the models"
    )
    models.add_argument("--gpu_ids", type=gpu_ids, default=(0,), help="GPUs, such as 0,1; -1 means the CPU")
    models.add_argument(
        "--parser",
        choices=("auto", "deeplab", "grabcut"),
        default="auto",
        help="method that cuts the person out; auto uses deeplab if its weights are installed",
    )
    add_engine_options(models, precision=None)
    return parser
