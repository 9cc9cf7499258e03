#!/usr/bin/env bash
# Installs the project with the given extras into .venv, editable.
set -euo pipefail
cd "$(dirname "$0")/.."
extras=$1
python=.venv/bin/python
pip=("$python" -m pip --disable-pip-version-check)

# PyPI's torch for Linux brings several gigabytes of CUDA. Without an NVIDIA GPU its makers' own
# index has a small one; where pip was told of other indexes, those know better.
indexes=$("${pip[@]}" config list | grep 'index\|find-links' || true)
cpu=https://download.pytorch.org/whl/cpu
options=()
if [ "$(uname -s)" = Linux ] && [ -z "$indexes" ] && ! command -v nvidia-smi >/dev/null &&
    "$python" -c "import urllib.request as u; u.urlopen('$cpu/torch/', timeout=5)" 2>/dev/null; then
    options=(--extra-index-url "$cpu")
fi

echo "Installing into .venv; the first time takes some minutes."
"${pip[@]}" install --quiet ${options[@]+"${options[@]}"} \
    --constraint constraints.txt --editable ".[$extras]"
