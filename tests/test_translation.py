"""What chapter 07 builds: BLEU and chrF against sacreBLEU, label smoothing, searches, and the widget with odd input."""

import math
import random
from functools import partial
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import sacrebleu
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_code import definitions
from torch.nn import functional as F

import lmtutor as lm
from lmtutor import decoding, text
from lmtutor.data import phrasebook
from lmtutor.exercises import translate
from lmtutor.models import transformer
from lmtutor.runtime import CourseError

built = definitions("07", "ngrams", "bleu", "chrf", "smoothed_loss", "step_sizes", "links", "look")
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


@pytest.mark.proof("07", "Adam's steps, written out", "torch.optim.Adam", "random gradients, 30 steps")
def test_the_steps_written_out_are_adams():
    gradients = torch.randn(30, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    parameter = torch.nn.Parameter(torch.zeros(50, dtype=torch.float64))
    optimizer = torch.optim.Adam([parameter], lr=1.0, betas=(0.9, 0.98), eps=0.0)
    sizes = []
    for gradient in gradients:
        before, parameter.grad = parameter.detach().clone(), gradient
        optimizer.step()
        sizes.append((parameter - before).detach().square().mean().sqrt().item())
    assert built.step_sizes(gradients) == pytest.approx(sizes, abs=1e-9)


@pytest.mark.proof("07", "beam search of the exercise", "decoding.beam_search", "random models of 5 tokens")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 2.0])
def test_the_search_of_the_exercise_is_the_packages(seed, length_penalty):
    vocab, end, max_tokens = 5, 2, 5
    torch.manual_seed(seed)
    model = transformer.Transformer(vocab, hidden_size=8, num_heads=2, num_layers=1, dropout=0.0).double().eval()
    source = {"input_ids": torch.tensor([[1, 3, 4]]), "attention_mask": torch.ones(1, 3)}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)

    @torch.no_grad()
    def next_log_p(tokens):
        read = torch.tensor([[1, *tokens]])
        return model(**source, decoder_input_ids=read)[0, -1].log_softmax(-1).tolist()

    for width in (1, 2, 3, 7):
        cache = transformer.start(model, **source)
        options = {"beams": width, "max_tokens": max_tokens, "end": end, "length_penalty": length_penalty}
        theirs = decoding.beam_search(partial(transformer.step, model), cache, torch.tensor([1]), **options)[0]
        ours = translate.beam_search(next_log_p, width, end, max_tokens, length_penalty)
        assert [tokens for _, tokens in ours] == [one.tokens for one in theirs]
        assert [score for score, _ in ours] == pytest.approx([one.score for one in theirs], abs=1e-9)


def test_least_risk_takes_the_middle_and_not_the_most_frequent():
    assert translate.least_risk([5, 9, 1], [1, 1, 9, 6, 6], lambda a, b: -abs(a - b)) == 5


def test_the_other_order_and_the_opposite_of_every_statement_of_the_phrasebook():
    """Each order is the other's, has the same words, and both orders occur; a "nicht" goes where it would come from."""
    found = []
    for split in lm.load("phrasebook").values():
        for row in split:
            german, other = row["de"], phrasebook.other_order(row["de"])
            if other is None:
                assert "inversion" not in row["features"] or {"complement", "relative"} & {*row["features"]}
                continue
            found.append("inversion" in row["features"])
            assert other != german and phrasebook.other_order(other) == german
            assert sorted(other.lower().split()) == sorted(german.lower().split())
            opposite = phrasebook.opposite(german)
            assert abs(len(opposite.split()) - len(german.split())) == 1 and phrasebook.opposite(opposite) == german
    assert len(found) > 1000 and 0.4 < sum(found) / len(found) < 0.6


@pytest.mark.parametrize("german", ["", ".", "Kommt er heute ?", "Er kommt , weil er will .", "Der Hund schläft ."])
def test_what_has_no_other_order_is_none(german):
    assert phrasebook.other_order(german) is None


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
