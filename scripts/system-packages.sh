#!/usr/bin/env bash
# What napari needs from the system that pip does not bring: OpenGL, Qt's X11 libraries, a
# virtual screen for machines without one, and the module that makes virtual environments.
# Installs what is missing where it may; otherwise prints the command and goes on, for the
# libraries may be there under other names. With "test" it also installs the browsers that some
# tests open pages in; without those the tests are skipped.
set -uo pipefail

# "a|b" is one library under two names (Debian's 64-bit time transition renamed some).
packages=(
    python3-venv
    xvfb xauth fonts-dejavu-core
    libgl1 libgl1-mesa-dri libegl1 libfontconfig1 "libglib2.0-0t64|libglib2.0-0"
    libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
    libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libdbus-1-3
)

browsers=(chromium firefox-esr)

if [ "$(uname -s)" != Linux ]; then
    exit 0 # macOS and Windows have their OpenGL, and Qt's wheels bring the rest.
fi
if ! command -v apt-get >/dev/null; then
    echo "No apt-get here: if napari's window does not open, install OpenGL, EGL, libxkbcommon-x11,"
    echo "libxcb-cursor and, for machines without a screen, Xvfb with your package manager."
    exit 0
fi

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c2)" = i ]
}

missing=()
for names in "${packages[@]}"; do
    found=
    for name in ${names//|/ }; do
        if installed "$name"; then found=yes; fi
    done
    if [ -z "$found" ]; then missing+=("$names"); fi
done
wished=()
if [ "${1:-}" = test ]; then
    for name in "${browsers[@]}"; do
        if ! installed "$name"; then wished+=("$name"); fi
    done
fi
if [ $((${#missing[@]} + ${#wished[@]})) -eq 0 ]; then
    exit 0
fi

if [ "$(id -u)" -eq 0 ]; then
    root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    root=(sudo -n)
else
    if [ ${#missing[@]} -gt 0 ]; then
        echo "These system packages are missing and this user may not install them. If what follows"
        echo "fails, run:"
        echo "    sudo apt-get install --no-install-recommends ${missing[*]##*|}"
    fi
    exit 0
fi

names="${missing[*]##*|} ${wished[*]}"
echo "Installing what the system lacks:" $names
"${root[@]}" apt-get update -qq || echo "apt-get update failed; trying with the lists that are here."
wanted=()
for names in "${missing[@]}"; do
    chosen=${names##*|}
    for name in ${names//|/ }; do
        # A package that the archive really has, not a name that another one provides.
        if apt-cache show "$name" 2>/dev/null | grep -q '^Package:'; then
            chosen=$name
            break
        fi
    done
    wanted+=("$chosen")
done
install=("${root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends)
if [ ${#wanted[@]} -gt 0 ] && ! "${install[@]}" "${wanted[@]}" >/dev/null; then
    echo "apt-get could not install them all. If what follows fails, run:"
    echo "    sudo apt-get install --no-install-recommends ${wanted[*]}"
fi
for name in ${wished[@]+"${wished[@]}"}; do
    # Where the archive has none of this name (as Ubuntu's), the tests that need it are skipped.
    if apt-cache show "$name" 2>/dev/null | grep -q '^Package:'; then
        "${install[@]}" "$name" >/dev/null || echo "$name could not be installed; going on without it."
    fi
done
