"""Makes the pictures of the documentation from any model, or from the built-in phantoms.

    xvfb-run -a -s "-screen 0 1920x1200x24" .venv/bin/python -m scripts.screenshots [NAME …]

Run it in the root of the repository. Writes docs/images/NAME.png for every scene, or for those
that are named. Needs a display for napari (a virtual one will do) and, for the pages, Chromium.

The pictures that are there were made with

    overview channel volume console four-views navigator html spectrum --model gpt2-attention-fp16
    experts
    functional-scan activity-layer attention lens journey geometry lesson --model stories260K
        --prompt "Once upon a time, there was a little girl named Lily. She liked to play with her"
    interventions interventions-sweep --model stories260K
        --prompt "Once upon a time, there was a little girl named Lily."
        --other "Once upon a time, there was a little boy named Lily." --words She He
    composition embedding-positions --model gpt2-attention-fp16
    compare side-by-side --model char-gpt2-series/step01200 --against char-gpt2-series/step06000
    series series-steps --model char-gpt2-series
    embeddings --model minilm-fp16 --prompt Paris
    functional-phantom
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from . import activity, comparison, embeddings, sections, training, weights
from .picture import Pixels, save
from .subject import REPEATING, Subject

FOLDER = Path(__file__).parents[2] / "docs" / "images"

Scene = Callable[[Subject], Pixels]

WEIGHTS: Mapping[str, Scene] = {
    "overview": weights.overview,
    "channel": weights.channel,
    "volume": weights.volume,
    "console": weights.console,
    "four-views": weights.four_views,
    "navigator": weights.navigator,
    "html": weights.page,
    "experts": sections.experts,
    "spectrum": sections.spectrum,
    "compare": comparison.difference,
    "side-by-side": comparison.side_by_side,
    "series": training.growth,
    "series-steps": training.steps,
}
"""Scenes of a checkpoint, by default of the phantom, by the name of their file."""

ACTIVITY: Mapping[str, Scene] = {
    "functional-scan": activity.functional_scan,
    "activity-layer": activity.layer,
    "attention": activity.attention,
    "lens": activity.lens,
    "journey": activity.journey,
    "geometry": activity.geometry,
    "interventions": activity.interventions,
    "interventions-sweep": activity.sweep,
    "lesson": activity.lesson,
    "composition": embeddings.composition,
    "embeddings": embeddings.tokens,
    "embedding-positions": embeddings.positions,
    "functional-phantom": weights.functional_phantom,
}
"""Those of the functional scan, by default of the functional phantom."""

SCENES: Mapping[str, Scene] = {**WEIGHTS, **ACTIVITY}


def main() -> None:
    """Make the scenes that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.screenshots",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("scenes", nargs="*", metavar="NAME", help=f"of {', '.join(SCENES)}; or all")
    parser.add_argument("--model", help="a checkpoint; else a phantom")
    parser.add_argument("--prompt", default=REPEATING, help="what the model reads: %(default)r")
    parser.add_argument("--other", help="a text as long as the prompt, to patch it with")
    parser.add_argument(
        "--words", nargs=2, metavar="WORD", help="next tokens that tell the two texts apart"
    )
    parser.add_argument("--against", help="a checkpoint to compare the model with")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder; docs/images if not given")
    given = parser.parse_args()
    names = given.scenes or list(SCENES)
    unknown = sorted(set(names) - set(SCENES))
    if unknown:
        parser.error(f"no scene {', '.join(unknown)}; there are {', '.join(SCENES)}")
    given.out.mkdir(parents=True, exist_ok=True)
    for scenes, phantom in ((WEIGHTS, "phantom"), (ACTIVITY, "functional-phantom")):
        model = given.model or phantom
        texts = (given.prompt, given.other, given.words)
        with Subject(model, *texts, given.against) as subject:
            for name in names:
                if name in scenes:
                    print(save(scenes[name](subject), given.out / f"{name}.png"), flush=True)


if __name__ == "__main__":
    main()
