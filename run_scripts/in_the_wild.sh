#!/usr/bin/env bash
# Makes a video through all ages of each photo of a list. The photos need no preparation.
# The environment sets the variables below, and arguments are passed on: MODEL=my_model run_scripts/in_the_wild.sh --help
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
use_environment

GPU_IDS=${GPU_IDS:-0}
MODEL=${MODEL:-males_model}
EPOCH=${EPOCH:-latest}
LIST=${LIST:-males_image_list.txt}

python test.py --gpu_ids "$GPU_IDS" --name "$MODEL" --which_epoch "$EPOCH" --display_id 0 --traverse \
  --interp_step 0.05 --image_path_file "$LIST" --make_video --in_the_wild "$@"
