"""What chapter 07 builds: BLEU and chrF against sacreBLEU, label smoothing, and what the widget does with odd input."""

import math
import random
from types import SimpleNamespace

import pytest
import sacrebleu
import torch
from notebook_code import definitions
from torch.nn import functional as F

from lmtutor.runtime import CourseError

built = definitions("07", "ngrams", "bleu", "chrf", "smoothed_loss", "links", "look")
WORDS = ["der", "die", "das", "Boot", "Schiff", "liegt", "im", "Hafen", "."]


def texts(seed: int, count: int = 12) -> tuple[list[str], list[str]]:
    """References, and translations that have much in common with them."""
    generator = random.Random(seed)
    references = [generator.choices(WORDS, k=generator.randint(4, 14)) for _ in range(count)]
    said = [[w if generator.random() < 0.8 else generator.choice(WORDS) for w in words] for words in references]
    said = [words[: len(words) - generator.randint(0, 2)] for words in said]
    return [" ".join(words) for words in said], [" ".join(words) for words in references]


@pytest.mark.parametrize("seed", range(8))
def test_bleu_is_that_of_sacrebleu(seed):
    said, references = texts(seed)
    theirs = sacrebleu.corpus_bleu(said, [references], tokenize="none", force=True)
    assert all(theirs.counts)
    assert built.bleu(said, references) == pytest.approx(theirs.score, abs=1e-9)


def test_bleu_of_a_longer_text_pays_no_penalty():
    said, references = texts(1)
    longer = [f"{sentence} . ." for sentence in references]
    theirs = sacrebleu.corpus_bleu(longer, [references], tokenize="none", force=True)
    assert theirs.bp == 1 and built.bleu(longer, references) == pytest.approx(theirs.score, abs=1e-9)


def test_bleu_without_a_common_quadruple_is_0():
    assert built.bleu(["a b c d"], ["d c b a"]) == 0


@pytest.mark.parametrize("seed", range(8))
def test_chrf_is_that_of_sacrebleu(seed):
    said, references = texts(seed)
    theirs = sacrebleu.CHRF().corpus_score(said, [references]).score
    assert built.chrf(said, references) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_the_smoothed_loss_is_pytorch_s_and_least_where_it_was_derived(epsilon):
    torch.manual_seed(0)
    logits = torch.randn(7, dtype=torch.float64)
    theirs = F.cross_entropy(logits[None], torch.tensor([3]), label_smoothing=epsilon)
    torch.testing.assert_close(built.smoothed_loss(logits, 3, epsilon), theirs)
    if epsilon:
        best = torch.zeros(7, dtype=torch.float64, requires_grad=True)
        with torch.no_grad():
            best[3] = math.log(1 + (1 - epsilon) * 7 / epsilon)
        built.smoothed_loss(best, 3, epsilon).backward()
        assert best.grad.abs().max() < 1e-12


def test_links_are_read_as_the_card_says():
    assert built.links("0-0 1?2 3-1") == ({(0, 0), (3, 1)}, {(1, 2)})
    assert built.links("") == (set(), set())


@pytest.mark.parametrize("typed", ["", "   "])
def test_an_empty_line_in_the_widget_is_told_in_one_sentence(typed):
    with pytest.raises(CourseError, match="at least one word"):
        built.look(typed, 4, 1)


def test_a_translation_of_nothing_is_told_in_one_sentence():
    tokenizer = SimpleNamespace(encode=lambda written: SimpleNamespace(ids=[5] if written else []))
    built.look.__globals__.update(tokenizer=tokenizer, translate=lambda sources, beams: ([""], [1]))
    with pytest.raises(CourseError, match="wrote nothing"):
        built.look("hello", 4, 1)
