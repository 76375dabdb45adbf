#!/usr/bin/env bash
# Makes checkpoints/demo_model again: draws its people, trains, and keeps the moving average in half precision.
# About two hours on 2 cores. Further arguments go to train.py (a run that was stopped: --continue_train).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
prepare_environment requirements.txt

# 720 people for training and 80 unseen ones, males and females together.
[ -d datasets/demo_people ] ||
  python datasets/synthesize.py --out datasets/demo_people --together --identities 800 --pictures_per_class 2 \
    --size 64 --seed 1

python train.py --name demo_training --dataroot datasets/demo_people --gpu_ids "${GPU_IDS:-0}" \
  --loadSize 64 --fineSize 64 --ngf 16 --ndf 16 --n_layers_D 4 --batchSize 2 --nThreads 0 \
  --init centered --id_enc_norm instance --decay_adain_affine_layers false --lr 0.003 --lambda_id_warmup 2000 \
  --epochs 4 --decay_epochs 2,3 --display_id 0 --no_html --save_latest_freq 800 --seed 1 "$@"

python - <<'PYTHON'
from pathlib import Path

from models.checkpoint import CheckpointFolder, export_half

trained, demo = (CheckpointFolder(Path("checkpoints") / name) for name in ("demo_training", "demo_model"))
export_half(trained.weights("latest", "g_running"), demo.weights("latest", "g_running"))
(demo.path / "opt.txt").write_text((trained.path / "opt.txt").read_text())
PYTHON
