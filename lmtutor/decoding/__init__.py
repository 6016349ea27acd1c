"""From the probabilities of the next token to text: draw, search, or guess ahead."""

from lmtutor.decoding.beams import Hypothesis, beam_search, continuations, length_normalised
from lmtutor.decoding.choosing import penalise, truncate
from lmtutor.decoding.formats import TokenFormat, masked, token_format
from lmtutor.decoding.sampling import join, sample
from lmtutor.decoding.speculation import Speculation, speculative
from lmtutor.decoding.writing import Step, ended_at, generate

__all__ = [
    "Hypothesis",
    "Speculation",
    "Step",
    "TokenFormat",
    "beam_search",
    "continuations",
    "ended_at",
    "generate",
    "join",
    "length_normalised",
    "masked",
    "penalise",
    "sample",
    "speculative",
    "token_format",
    "truncate",
]
