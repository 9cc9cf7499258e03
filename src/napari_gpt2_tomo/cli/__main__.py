"""``python -m napari_gpt2_tomo.cli``, where the installed command is not on the path."""

from .app import main

main()
