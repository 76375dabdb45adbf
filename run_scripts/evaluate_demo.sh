#!/usr/bin/env bash
# Scores the demo model on drawn people that it has never seen, whose true pictures at every age are known.
# Usage: bash run_scripts/evaluate_demo.sh [options of evaluate.py]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
prepare_environment requirements.txt

# A fifth of the people are scored. The others serve as the nearest-neighbour baseline.
IDENTITIES=${IDENTITIES:-300}
DATAROOT=${DATAROOT:-datasets/unseen}

draw_people "$DATAROOT" --together --paired --identities "$IDENTITIES" --test_fraction 0.2 --size 128 --seed 99
python evaluate.py --name demo_model --gpu_ids "${GPU_IDS:-0}" --paired "$DATAROOT" "$@"
