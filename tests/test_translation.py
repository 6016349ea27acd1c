"""What chapter 07 builds: BLEU and chrF against sacreBLEU, label smoothing, and what the widget does with odd input."""

import math
import random
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import sacrebleu
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_code import definitions
from torch.nn import functional as F

from lmtutor import text
from lmtutor.models import transformer
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


@pytest.mark.proof("07", "BLEU", "sacrebleu.corpus_bleu", "random corpora")
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


@pytest.mark.proof("07", "chrF", "sacrebleu.CHRF", "random corpora")
@pytest.mark.parametrize("seed", range(8))
def test_chrf_is_that_of_sacrebleu(seed):
    said, references = texts(seed)
    theirs = sacrebleu.CHRF().corpus_score(said, [references]).score
    assert built.chrf(said, references) == pytest.approx(theirs, abs=1e-9)


odd = st.text(st.sampled_from("ab \t\n\u3000\xa0\u2028é"), max_size=8)


@given(st.lists(st.tuples(odd, odd), min_size=1, max_size=3))
@settings(deadline=None)
def test_chrf_and_bleu_of_odd_texts_are_those_of_sacrebleu(pairs):
    """Empty ones, nothing in common, blanks of all kinds."""
    said, references = map(list, zip(*pairs, strict=True))
    theirs = sacrebleu.CHRF().corpus_score(said, [references]).score
    assert built.chrf(said, references) == pytest.approx(theirs, abs=1e-9)
    theirs = sacrebleu.corpus_bleu(said, [references], tokenize="none", force=True, smooth_method="none").score
    assert built.bleu(said, references) == pytest.approx(theirs, abs=1e-9)


def test_chrf_of_short_texts_counts_only_lengths_that_both_have():
    for said, reference in (("ab c", "abcd"), ("abcd", "ab c")):
        theirs = sacrebleu.CHRF().corpus_score([said], [[reference]]).score
        assert built.chrf([said], [reference]) == pytest.approx(theirs, abs=1e-9)
    theirs = sacrebleu.CHRF().corpus_score(["abc"], [["abcdefgh"]]).score
    assert built.chrf(["abc"], ["abcdefgh"]) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.proof("07", "P(y given x), counted directly", "by Bayes' rule", "random counts of pairs")
def test_counting_directly_and_by_bayes_rule_are_the_same():
    generator = random.Random(0)
    joint = {(x, y): generator.randint(1, 9) for x in "abc" for y in "defgh"}
    total = sum(joint.values())
    of_x = {x: sum(n for (a, _), n in joint.items() if a == x) for x in "abc"}
    of_y = {y: sum(n for (_, b), n in joint.items() if b == y) for y in "defgh"}
    for (x, y), n in joint.items():
        by_bayes = n / of_y[y] * (of_y[y] / total) / (of_x[x] / total)
        assert math.isclose(n / of_x[x], by_bayes, rel_tol=1e-12)


@pytest.mark.proof("07", "label smoothing", "F.cross_entropy(label_smoothing)", "random logits")
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


# --- the widget, with a small model that has learned nothing and writes what it likes ---------------------------------


@pytest.fixture(scope="module")
def look():
    """The function behind the widget."""
    torch.manual_seed(0)
    tokenizer = text.byte_level_bpe(["the lamp is old .", "die Lampe ist alt ."] * 3, 290, ["<pad>", "<s>", "</s>"])
    model = transformer.Transformer(
        tokenizer.get_vocab_size(), hidden_size=16, num_heads=2, num_layers=2, max_length=64
    ).eval()
    names = ("look", "translate", "word_weights", "word_of_each", "show_alignment")
    drawn = definitions("07", *names).look
    drawn.__globals__.update(tokenizer=tokenizer, model=model, cfg=SimpleNamespace(max_tokens=8), START=1, END=2)
    return drawn


@pytest.mark.parametrize(
    "typed", ["🙂 the lamp", "灯 很 旧 。", "<s> </s> <pad>", "the\u00a0lamp\tis", "x", "½ ‽…", "a\x00b"]
)
def test_a_character_that_the_widget_has_never_seen_is_spelt_in_bytes(look, typed):
    ax = look(typed, 3, 2)
    assert [label.get_text() for label in ax.get_xticklabels()] == text.words(typed)
    assert ax.images[0].get_array().shape == (len(ax.get_yticks()), len(ax.get_xticks()))
    plt.close(ax.figure)


@settings(max_examples=15)
@given(st.text(max_size=12), st.integers(1, 16))
def test_whatever_is_typed_gives_a_picture_with_a_column_for_each_word_or_one_sentence(look, typed, beams):
    try:
        ax = look(typed, beams, 1)
    except CourseError as error:
        assert "Type at least" in str(error) or "wrote nothing" in str(error)
        return
    assert ax.images[0].get_array().shape == (len(ax.get_yticks()), len(text.words(typed)))
    plt.close(ax.figure)


def test_a_typed_text_that_is_too_long_is_told_in_one_sentence(look):
    with pytest.raises(CourseError, match="longer than the 64 positions"):
        look("the lamp " * 60, 4, 1)


def test_a_long_text_still_fits_a_picture(look):
    ax = look("the lamp is old . " * 8, 1, 1)
    assert ax.figure.get_size_inches().max() <= 14
    plt.close(ax.figure)
