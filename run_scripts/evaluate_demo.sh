#!/usr/bin/env bash
# Scores the demo model on drawn people it has never seen, whose true pictures at every age are known:
# bash run_scripts/evaluate_demo.sh [options of evaluate.py]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
prepare_environment requirements.txt

# A fifth of these people are scored. The others are training people: the nearest of them is a baseline.
IDENTITIES=${IDENTITIES:-300}
DATAROOT=${DATAROOT:-datasets/unseen}

draw_people "$DATAROOT" --together --paired --identities "$IDENTITIES" --test_fraction 0.2 --size 64 --seed 99
python evaluate.py --name demo_model --gpu_ids "${GPU_IDS:-0}" --paired "$DATAROOT" "$@"
