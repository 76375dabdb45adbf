"""Scores a model on people whose true pictures at every age are known, or on photos.

python datasets/synthesize.py --out datasets/unseen --together --paired --identities 300 --size 64 --seed 99
python evaluate.py --name demo_model --paired datasets/unseen
python evaluate.py --name females_model --photos photos.txt --in_the_wild
"""

from util.errors import run_command  # isort: split

from tqdm.contrib.logging import logging_redirect_tqdm

from data.age_classes import centre
from data.photo_list import find_photos, user_path
from evaluation.candidate import Candidate
from evaluation.paired import evaluate_people
from evaluation.photos import evaluate_photos
from options.build import load_transformer, portrait_reader, transform
from options.evaluate import evaluate_parser, parse_evaluate_options, settings_of
from util.device import choose_device
from util.provenance import Manifest, Source


def main() -> int:
    parser = evaluate_parser()
    options = parse_evaluate_options(parser)
    ages = {name: centre(name) for name in options.sort_order}
    photos = find_photos(options.photos, "--photos") if options.photos else []
    device = choose_device(options.gpu_ids)
    candidate = Candidate(
        name=options.name,
        epoch=options.which_epoch,
        transformer=load_transformer(options, device),
        to_model_size=transform(options, flip=False),
        ages=ages,
        seed=options.random_seed,
    )
    source = user_path(str(options.photos or options.paired)).absolute()
    named = f"photos_{options.which_epoch}_{source.stem}" if photos else f"evaluation_{options.which_epoch}"
    folder = options.results_dir / options.name / named
    read = portrait_reader(options, device)
    manifest = Manifest(folder, options.results_dir, overwrite=options.overwrite)
    manifest.claim([folder / "index.html"], Source(source), settings_of(options, parser))
    with logging_redirect_tqdm():
        if photos:
            return evaluate_photos(
                candidate, photos=photos, source=options.photos, read=read, device=device, folder=folder
            )
        return evaluate_people(
            candidate,
            root=options.paired,
            phase=options.phase,
            most=min(options.ntest, options.max_dataset_size),
            most_training=options.train_people,
            steps=options.traversal_steps,
            folder=folder,
        )


if __name__ == "__main__":
    run_command(main)
