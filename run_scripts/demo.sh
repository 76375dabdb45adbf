#!/usr/bin/env bash
# Makes a video and a row of six ages of each portrait: bash run_scripts/demo.sh [PHOTO...] [--name MODEL]
set -euo pipefail

usage="usage: bash run_scripts/demo.sh [PHOTO...] [--name MODEL] [--no_download] [--overwrite]

Without photos, the script draws synthetic people and uses the demo model.
With photos of any kind, it uses MODEL. If males_model or females_model is missing, the script downloads it with the
published face parser, unless --no_download is given. Without MODEL, it makes only the portraits that a model would get.
It does not replace results of another photo with the same name, unless --overwrite is given.
Results go to results/. RESULTS_DIR=... changes the folder; MIRROR=http://... downloads from your own server."

start=$PWD name="" download=yes overwrite="" photos=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) echo "$usage"; exit 0 ;;
    --name) [ $# -ge 2 ] || { echo "error: --name: needs a model's name, which is a folder of checkpoints/" >&2; exit 2; }
            name=$2; shift 2 ;;
    --no_download) download=no; shift ;;
    --overwrite) overwrite=yes; shift ;;
    -*) echo "error: $1: unknown option; see the usage
$usage" >&2; exit 2 ;;
    # setup.sh changes to the checkout, so relative paths are made absolute first.
    /*) photos+=("$1"); shift ;;
    *) photos+=("$start/$1"); shift ;;
  esac
done

. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

is_there() { [ -f "checkpoints/$1/latest_net_g_running.pth" ]; }

if [ -z "$name" ] && [ ${#photos[@]} -gt 0 ]; then
  for published in males_model females_model; do
    if is_there "$published"; then
      echo "error: --name is needed since $published is installed: males_model, females_model or demo_model" >&2
      exit 2
    fi
  done
fi
fetch=()
case $name in
  males_model | females_model)
    is_there "$name" || fetch+=("$name")
    [ -f deeplab_model/deeplab_model.pth ] || fetch+=(deeplab_model) ;;
esac
if [ $download = no ] && [ ${#fetch[@]} -gt 0 ] && ! is_there "$name"; then
  echo "error: --no_download: $name is not installed; leave --no_download out, or run python download_models.py --only ${fetch[*]}" >&2
  exit 2
fi
results=${RESULTS_DIR:-$PWD/results}

echo "Lifespan: one portrait in, the same person at every age from 0 to 70 out."
prepare_environment requirements.txt
if [ $download = yes ] && [ ${#fetch[@]} -gt 0 ]; then
  # If the face parser is missing, people are cut out less exactly. If the model is missing, the script ends.
  python download_models.py --only "${fetch[@]}" ${MIRROR:+--mirror "$MIRROR"} || is_there "$name" || exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make=(--traverse --interp_step 0.05 --make_video --deploy --full_progression)
if [ ${#photos[@]} -eq 0 ]; then
  name=${name:-demo_model}
  # The demo model was trained on another population.
  python datasets/synthesize.py --out "$work/people" --identities 4 --seed 2026 --size 128 --together --test_fraction 1
  source=(--image_path_file "$work/people/test15-19")
else
  printf '%s\n' "${photos[@]}" > "$work/photos.txt"
  source=(--in_the_wild --image_path_file "$work/photos.txt")
  if [ -z "$name" ]; then
    make=(--portrait)
  elif [ "$name" = demo_model ]; then
    echo "WARNING: the demo model has only seen drawn, synthetic faces, and makes a drawn face of a photo."
    echo "         For real photos: --name males_model or --name females_model."
  fi
fi

touch "$work/before"
code=0
python test.py ${name:+--name "$name"} --gpu_ids "${GPU_IDS:-0}" "${make[@]}" \
  --output_size 256 --results_dir "$results" "${source[@]}" ${overwrite:+--overwrite} || code=$?

# If nothing was made, test.py has reported why.
[ -d "$results" ] || exit "$code"
made=$(find "$results" -type f \( -name '*.mp4' -o -name '*.png' \) -newer "$work/before" | sort)
[ -z "$made" ] || printf '\nMade:\n%s\n' "$made"
if [ -z "$name" ] && [ -n "$made" ]; then
  printf '\nThis is the portrait that a model gets. To see it at every age, fetch a published model (213 MB, and 464 MB\n'
  printf 'for the face parser; CC BY-NC-SA 4.0, not for commercial use) and use it by one of these commands:\n'
  for published in females_model males_model; do
    printf '  bash run_scripts/demo.sh%s --name %s\n' "$(printf ' %q' "${photos[@]}")" "$published"
  done
fi
exit "$code"
