#!/usr/bin/env bash
# Trains a model; the defaults are the paper's four GPUs and batch size.
# The environment sets the variables below, and arguments are passed on: MODEL=my_model run_scripts/train.sh --help
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
use_environment

GPU_IDS=${GPU_IDS:-0,1,2,3}
DATAROOT=${DATAROOT:-./datasets/males}
MODEL=${MODEL:-males_model}
BATCH_SIZE=${BATCH_SIZE:-6}

python train.py --gpu_ids "$GPU_IDS" --dataroot "$DATAROOT" --name "$MODEL" --batchSize "$BATCH_SIZE" --verbose "$@"
