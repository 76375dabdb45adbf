"""Portraits with maps that datasets/synthesize.py draws in a second with one process.

The baseline reads them back: decoding its pictures and maps is the least that a data set on disk costs.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.population import class_jobs, write_portrait


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--identities", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        jobs = class_jobs(Path(folder), identities=options.identities, together=True)
        start = time.perf_counter()
        for job in jobs:
            write_portrait(job, seed=0, size=options.size)
        drawn = time.perf_counter() - start
        start = time.perf_counter()
        for job in jobs:
            np.asarray(Image.open(job.path))
            np.asarray(Image.open(job.path.parent / "parsings" / job.path.name))
        read = time.perf_counter() - start
    sys.stdout.write(
        f"{len(jobs) / drawn:.1f} portraits with maps a second at {options.size}x{options.size} in one process; "
        f"drawing and writing takes {drawn / read:.1f} times as long as reading\n"
    )


if __name__ == "__main__":
    main()
