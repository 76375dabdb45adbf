#!/usr/bin/env bash
# Makes the pictures in assets/ again: the contact sheet of drawn people, six people that the demo model has never seen,
# as an animation and at six ages, and two photos at six ages.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
prepare_environment requirements.txt

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python datasets/synthesize.py --out "$work/sheet" --identities 1 --size 160 --seed 0 --contact_sheet
python datasets/synthesize.py --out "$work/people" --together --identities 6 --test_fraction 1 --size 128 --seed 2026
person=0
for class in 7-9 15-19 30-39 0-2 30-39 50-69; do
  printf '%s/people/test%s/%05d_0.png\n' "$work" "$class" "$person"
  person=$((person + 1))
done > "$work/list.txt"
python test.py --name demo_model --gpu_ids "${GPU_IDS:-0}" --image_path_file "$work/list.txt" --output_size 160 \
  --traverse --frames --interp_step 0.05 --deploy --full_progression --random_seed 0 --results_dir "$work"
{
  echo assets/astronaut.png
  python -c "from matplotlib import cbook; print(cbook.get_sample_data('grace_hopper.jpg', asfileobj=False))"
} > "$work/photos.txt"
python test.py --name demo_model --gpu_ids "${GPU_IDS:-0}" --in_the_wild --image_path_file "$work/photos.txt" \
  --output_size 160 --deploy --full_progression --random_seed 0 --results_dir "$work/photos"

python - "$work" <<'PYTHON'
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from util.images import read_image, write_image

work, assets = Path(sys.argv[1]), Path("assets")
made, of_photos = (folder / "demo_model" / "test_latest_seed0" for folder in (work, work / "photos"))


def pixels(path: Path) -> np.ndarray:
    return np.asarray(read_image(path))


def rows(folder: Path) -> np.ndarray:
    # The portraits lie beside the rows.
    return np.vstack([pixels(path) for path in sorted(folder.glob("*.png")) if not path.stem.endswith("_portrait")])


shutil.copy(work / "sheet" / "contact_sheet.jpg", assets)
write_image(assets / "demo_progression.png", rows(made / "deploy"))
write_image(assets / "demo_photos.jpg", rows(of_photos / "deploy"))
series = [sorted(folder.glob("*.png"))[::2] for folder in sorted((made / "traversal").iterdir()) if folder.is_dir()]
growing = [Image.fromarray(np.hstack([pixels(path) for path in frames])) for frames in zip(*series, strict=True)]
first, *others = [*growing, *growing[-2:0:-1]]
first.save(assets / "demo.webp", save_all=True, append_images=others, duration=80, loop=0, quality=70)
PYTHON
