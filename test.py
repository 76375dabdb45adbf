"""Uses a model on photos, or on test images for a page of results; `python test.py --help` says what it can make."""

from util.errors import run_command  # isort: split

from pathlib import Path

from tqdm.contrib.logging import logging_redirect_tqdm

from options.test import parse_test_options, test_parser
from outputs.photos import use_photos
from outputs.results_page import write_results


def main() -> int:
    parser = test_parser()
    options = parse_test_options(parser)
    seeded = f"_seed{options.random_seed}" if options.random_seed >= 0 else ""
    of_model = Path(options.name, f"{options.phase}_{options.which_epoch}{seeded}")
    folder = options.results_dir / ("" if options.portrait or options.out else of_model)
    make = use_photos if options.image_path_file else write_results
    with logging_redirect_tqdm():
        return make(options, parser, folder)


if __name__ == "__main__":
    run_command(main)
