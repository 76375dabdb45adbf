"""How many portraits with maps datasets/synthesize.py draws in a second with one process.

The baseline reads them back: decoding its pictures and maps is the least that a data set on disk costs.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import parser_of, timed
from data.portrait import parsing_path
from datasets.population import class_jobs, write_portrait


def main() -> None:
    options = parser_of(__doc__, {"--size": 256, "--identities": 20}).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        jobs = class_jobs(Path(folder), identities=options.identities, together=True)

        def draw() -> None:
            for job in jobs:
                write_portrait(job, seed=0, size=options.size)

        def read() -> None:
            for job in jobs:
                np.asarray(Image.open(job.path))
                np.asarray(Image.open(parsing_path(job.path)))

        (drawing, _), (reading, _) = timed(draw), timed(read)
    sys.stdout.write(
        f"{len(jobs) / drawing:.1f} portraits with maps a second at {options.size}x{options.size} in one process; "
        f"drawing and writing takes {drawing / reading:.1f} times as long as reading\n"
    )


if __name__ == "__main__":
    main()
