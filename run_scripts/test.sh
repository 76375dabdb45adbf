#!/usr/bin/env bash
# Makes the results page: a data set's test images at all ages.
# The environment sets the variables below, and arguments are passed on: MODEL=my_model run_scripts/test.sh --help
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
use_environment

GPU_IDS=${GPU_IDS:-0}
DATAROOT=${DATAROOT:-./datasets/males}
MODEL=${MODEL:-males_model}
EPOCH=${EPOCH:-latest}

python test.py --gpu_ids "$GPU_IDS" --dataroot "$DATAROOT" --name "$MODEL" --which_epoch "$EPOCH" --how_many 100 \
  --display_id 0 "$@"
