"""What a model predicts, where in it the prediction arises, and which parts wrote it."""

from .attribution import Attribution, logit_attribution, source_attribution
from .chances import NATS_PER_BIT, Chances
from .comparison import (
    NextComparison,
    StreamComparison,
    compare_next,
    compare_streams,
    titles,
)
from .continuing import Continuing, Drawing
from .prediction import NextToken, Reading, StepTaken, continuation, next_token, reading
from .projection import Lens, Trace, logit_lens, token_trace
from .survivors import Sampling, sampling

__all__ = [
    "NATS_PER_BIT",
    "Attribution",
    "Chances",
    "Continuing",
    "Drawing",
    "Lens",
    "NextComparison",
    "NextToken",
    "Reading",
    "Sampling",
    "StepTaken",
    "StreamComparison",
    "Trace",
    "compare_next",
    "compare_streams",
    "continuation",
    "logit_attribution",
    "logit_lens",
    "next_token",
    "reading",
    "sampling",
    "source_attribution",
    "titles",
    "token_trace",
]
