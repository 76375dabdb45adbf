#!/usr/bin/env bash
# Makes a video and a row of six ages of each portrait: bash run_scripts/demo.sh [PHOTO...] [--name MODEL]
set -euo pipefail

usage="usage: bash run_scripts/demo.sh [PHOTO...] [--name MODEL]

Without photos: synthetic people, drawn on the spot, with the demo model.
With photos: any portraits, with MODEL: males_model or females_model (python download_models.py fetches them), or
the demo model.
The videos and rows are written to results/MODEL/test_latest/; RESULTS_DIR replaces results."

start=$PWD name="" photos=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) echo "$usage"; exit 0 ;;
    --name) [ $# -ge 2 ] || { echo "error: --name: needs a model's name, which is a folder of checkpoints/" >&2; exit 2; }
            name=$2; shift 2 ;;
    -*) echo "error: $1: no such option
$usage" >&2; exit 2 ;;
    # setup.sh changes to the checkout, so a relative path must be made absolute before.
    /*) photos+=("$1"); shift ;;
    *) photos+=("$start/$1"); shift ;;
  esac
done

. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

if [ -z "$name" ] && [ ${#photos[@]} -gt 0 ]; then
  for published in males_model females_model; do
    if [ -d "checkpoints/$published" ]; then
      echo "error: --name is needed since $published is installed: males_model, females_model or demo_model" >&2
      exit 2
    fi
  done
fi
name=${name:-demo_model}
results=${RESULTS_DIR:-$PWD/results}

echo "Lifespan: one portrait in, the same person at every age from 0 to 70 out."
echo "This installs what it needs, then makes a video and a row of six ages of each portrait with $name."
prepare_environment requirements.txt

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ ${#photos[@]} -gt 0 ]; then
  if [ "$name" = demo_model ]; then
    echo "WARNING: the demo model has only seen drawn, synthetic faces; a real photo comes out like a drawing at best."
    echo "         For real photos, run python download_models.py, then give --name males_model or --name females_model."
  fi
  printf '%s\n' "${photos[@]}" > "$work/photos.txt"
  source=(--in_the_wild --image_path_file "$work/photos.txt")
else
  # This seed draws people that the demo model was not trained on.
  python datasets/synthesize.py --out "$work/people" --identities 4 --seed 2026 --size 64 --together --test_fraction 1
  source=(--image_path_file "$work/people/test15-19")
fi

touch "$work/before"
code=0
python test.py --name "$name" --gpu_ids "${GPU_IDS:-0}" --traverse --interp_step 0.05 --make_video \
  --deploy --full_progression --output_size 256 --results_dir "$results" "${source[@]}" || code=$?

# If nothing was made, test.py has already said why.
outputs=$results/$name/test_latest
[ -d "$outputs" ] || exit "$code"
made=$(find "$outputs" -type f \( -name '*.mp4' -o -name '*.png' \) -newer "$work/before" | sort)
[ -z "$made" ] || printf '\nMade:\n%s\n' "$made"
exit "$code"
