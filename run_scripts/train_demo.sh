#!/usr/bin/env bash
# Makes checkpoints/demo_model again: draws its people, trains, and stores the moving average in half precision.
# This takes about 10 hours on two CPU cores. After an interruption, run it again to resume the stage that was stopped.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
prepare_environment requirements.txt

precision=$(python -c "
from models.precision import fast_precision
from options.types import gpu_ids
from util.device import choose_device

print(fast_precision(choose_device(gpu_ids('${GPU_IDS:-0}'))))")
common=(--gpu_ids "${GPU_IDS:-0}" --loadSize 64 --fineSize 64 --ngf 16 --ndf 16 --n_layers_D 4 --batchSize 2 --nThreads 0
  --id_enc_norm instance --id_stop_gradient false --decay_adain_affine_layers false --lr 0.003 --display_id 0 --no_html --save_latest_freq 1000)

stage() { # name, options of train.py: trains a stage, or resumes it
  if [ -f "checkpoints/$1/latest_state.pth" ]; then
    python train.py --name "$1" --gpu_ids "${GPU_IDS:-0}" --nThreads 0 --continue_train
  else
    # A stage that was stopped before its first checkpoint begins again.
    python train.py --name "$1" --overwrite "${common[@]}" "${@:2}"
  fi
}

# The first stage is the paper's training: 720 people, without knowing which pictures show the same person.
draw_people datasets/demo_people --together --identities 800 --pictures_per_class 2 --size 64 --seed 1
stage demo_training --dataroot datasets/demo_people --steady_start 0 --lambda_adv 1 --lambda_id_warmup 2000 \
  --epochs 4 --decay_epochs 2,3 --seed 1

# The second stage uses 3990 people whose true pictures at every age are known.
draw_people datasets/demo_paired --together --paired --identities 4200 --test_fraction 0.05 --size 64 --seed 1
stage demo_paired --dataroot datasets/demo_paired --load_pretrain checkpoints/demo_training --lambda_paired 20 \
  --precision "$precision" --r1_interval 8 --epochs 3 --decay_epochs 1,2 --decay_gamma 0.4 --seed 2

# The third stage doubles the width of the generator.
stage demo_wide --dataroot datasets/demo_paired --load_pretrain checkpoints/demo_paired --ngf 32 --batchSize 4 \
  --lambda_paired 30 --precision "$precision" --r1_interval 16 --epochs 3 --decay_epochs 1,2 --decay_gamma 0.27 --seed 3

# The fourth stage makes only pictures at the target age, which is half of the work, and weighs the discriminator more.
target_only=(--lambda_paired 45 --lambda_rec 0 --lambda_cyc 0 --lambda_id 0 --lambda_age 0 --batchSize 4
  --precision "$precision")
stage demo_sharp --dataroot datasets/demo_paired --max_dataset_size 1100 --load_pretrain checkpoints/demo_wide --ngf 32 \
  "${target_only[@]}" --lambda_adv 4 --r1_interval 16 --lr 0.0006 --epochs 2 --decay_epochs 1 --decay_gamma 0.33 --seed 6

# The next six stages are for twice the resolution: first only the new outer layers learn, then all. From there one way
# leads to the nearest pictures of drawn people; the other changes inputs, so that the model can read photos, and ends
# with a discriminator. On a CPU, --compile needs a C++ compiler.
draw_people datasets/demo_large --together --paired --identities 1500 --test_fraction 0.02 --size 128 --seed 1
large=(--loadSize 128 --fineSize 128 --n_downsample 3 --n_layers_D 5 "${target_only[@]}")
stage demo_outer --dataroot datasets/demo_large "${large[@]}" --lambda_ssim 10 --load_pretrain checkpoints/demo_sharp \
  --train_outer_levels 1 --lambda_adv 0 --beta1 0.5 --epochs 1 --seed 7
stage demo_inner --dataroot datasets/demo_large "${large[@]}" --lambda_ssim 10 --load_pretrain checkpoints/demo_outer \
  --lambda_adv 0 --beta1 0.5 --lr 0.001 --epochs 5 --decay_epochs 3 --seed 8
large+=(--compile)
stage demo_long --dataroot datasets/demo_large "${large[@]}" --lambda_ssim 20 --load_pretrain checkpoints/demo_inner \
  --lambda_adv 0 --beta1 0.5 --lr 0.001 --epochs 5 --seed 18
stage demo_soft --dataroot datasets/demo_large "${large[@]}" --lambda_ssim 20 --load_pretrain checkpoints/demo_long \
  --augment_inputs 0.1 --max_dataset_size 1000 --lambda_adv 0 --beta1 0.5 --lr 0.0004 --epochs 3 --decay_epochs 1,2 \
  --decay_gamma 0.4 --seed 29
stage demo_wild --dataroot datasets/demo_large "${large[@]}" --lambda_ssim 20 --load_pretrain checkpoints/demo_long \
  --augment_inputs 0.5 --lambda_adv 0 --beta1 0.5 --lr 0.001 --epochs 9 --decay_epochs 5,7 --seed 28
stage demo_large --dataroot datasets/demo_large "${large[@]}" --lambda_ssim 20 --load_pretrain checkpoints/demo_wild \
  --augment_inputs 0.25 --max_dataset_size 1000 --lambda_adv 4 --r1_interval 16 --lr 0.0006 --epochs 3 --decay_epochs 2 \
  --decay_gamma 0.4 --seed 30

# Between two models, the coloured spots of the one with a discriminator and the blur of the other are weaker (network
# interpolation: Wang et al. 2018, "ESRGAN").
between() { # name, soft model, sharp model, share of the sharp one: a model between the moving averages of two
  python - "$@" <<'PYTHON'
import sys
from pathlib import Path

import torch

from models.checkpoint import CheckpointFolder, export_half

made, soft, sharp = (CheckpointFolder(Path("checkpoints") / name) for name in sys.argv[1:4])
near, far = (torch.load(trained.weights("latest", "g_running")) for trained in (soft, sharp))
middle = sharp.weights("between", "g_running")
torch.save({name: torch.lerp(near[name], far[name], float(sys.argv[4])) for name in far}, middle)
export_half(middle, made.weights("latest", "g_running"))
(made.path / "opt.txt").write_text((sharp.path / "opt.txt").read_text())
PYTHON
}

# The last three stages go on from there with twice as many people: two of them without a discriminator, and between
# these one with that of demo_large.
draw_people datasets/demo_more --together --paired --identities 3000 --test_fraction 0.01 --size 128 --seed 5
[ -d checkpoints/demo_between ] || between demo_between demo_soft demo_large 0.5
large+=(--dataroot datasets/demo_more --lambda_ssim 30)
stage demo_more "${large[@]}" --load_pretrain checkpoints/demo_between --augment_inputs 0.2 --lambda_adv 0 --beta1 0.5 \
  --lr 0.001 --epochs 7 --decay_epochs 4,5,6 --decay_gamma 0.45 --seed 40
cp checkpoints/demo_large/latest_net_D.pth checkpoints/demo_more
stage demo_sharper "${large[@]}" --load_pretrain checkpoints/demo_more --augment_inputs 0.25 --max_dataset_size 1000 \
  --lambda_adv 4 --r1_interval 16 --lr 0.0006 --epochs 3 --decay_epochs 1,2 --decay_gamma 0.4 --seed 41
stage demo_near "${large[@]}" --load_pretrain checkpoints/demo_more --augment_inputs 0.1 --max_dataset_size 1500 \
  --lambda_adv 0 --beta1 0.5 --lr 0.0006 --epochs 4 --decay_epochs 2,3 --decay_gamma 0.4 --seed 42
between demo_model demo_near demo_sharper 0.35
