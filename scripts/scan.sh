#!/usr/bin/env bash
# Opens napari on a checkpoint (the built-in phantom without one). Where there is no screen,
# renders its pictures to scans/<name>.png instead.
set -euo pipefail
cd "$(dirname "$0")/.."
model=${1:-}
tomo=.venv/bin/napari-gpt2-tomo

if [ -n "$model" ] && [ ! -e "$model" ] && [[ "$model" != *://* ]]; then
    echo "There is no file or folder MODEL=$model (seen from $PWD)." >&2
    exit 2
fi
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [ "$(uname -s)" != Linux ]; then
    exec "$tomo" view ${model:+"$model"}
fi

name=phantom-gpt2
if [ -n "$model" ]; then
    # A folder is known by its name; a file called model.safetensors by its folder's.
    path=$(realpath "$model" 2>/dev/null || echo "$model")
    name=$(basename "$path")
    case $name in model.safetensors*) name=$(basename "$(dirname "$path")") ;; esac
    name=${name%.index.json}
    name=${name%.safetensors}
fi
picture="scans/$name.png"
mkdir -p scans
command -v xvfb-run >/dev/null || {
    echo "There is no screen, and no Xvfb to stand in for one. Install it (Debian, Ubuntu:" >&2
    echo "sudo apt-get install xvfb xauth) and try again." >&2
    exit 1
}
echo "There is no screen here, so the scan is rendered to a picture."
xvfb-run -a -s "-screen 0 1600x1000x24" "$tomo" picture "${model:-phantom}" "$picture"
echo "The pictures (axial, coronal, sagittal and 3-D) are in $PWD/$picture"
