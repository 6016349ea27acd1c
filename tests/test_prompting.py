"""Tasks as text: templates, scores with and without what is shared, calibration, pairs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmtutor import pretrained, prompting
from lmtutor.models import bert, llama
from lmtutor.runtime import CourseError

SIZES = {"hidden_size": 32, "num_heads": 4, "num_kv_heads": 2, "num_layers": 2, "inner_size": 40, "max_length": 96}


def small(seed: int = 0) -> llama.Llama:
    torch.manual_seed(seed)
    model = llama.Llama(60, **SIZES)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.double().eval()


class Letters:
    """A tokenizer whose tokens are characters."""

    def __call__(self, text, **options):
        return {"input_ids": [1 + ord(character) % 59 for character in text]}


# --- prompts ----------------------------------------------------------------------------------------------------------


def test_filled():
    assert prompting.filled("Review: {text}\nIt was", "Fine {soup}.") == "Review: Fine {soup}.\nIt was"
    shown = [("Good.", "good"), ("Bad.", " bad ")]
    assert prompting.filled("{text} =", "So so.", shown) == "Good. = good\n\nBad. = bad\n\nSo so. ="


@pytest.mark.parametrize("template", ["no place", "", "{text} and {text}", "{text}{text}"])
def test_a_template_has_one_place(template):
    with pytest.raises(CourseError, match=r"one place for the text, \{text\}"):
        prompting.filled(template, "x")


def test_a_template_does_not_end_with_a_blank():
    with pytest.raises(CourseError, match="ends with a blank"):
        prompting.check_template("{text} It was ")


def test_examples_are_a_list():
    with pytest.raises(CourseError, match="A list of examples is wanted"):
        prompting.filled("{text}:", "x", "ab")


def test_a_verbaliser_has_a_word_for_each_label():
    prompting.check_words({"bad": "awful", "good": "great"}, ["good", "bad"])
    with pytest.raises(CourseError, match="The label 'neutral' has no word"):
        prompting.check_words({"bad": "awful", "good": "great"}, ["good", "neutral"])
    with pytest.raises(CourseError, match="The label 'good' has no word"):
        prompting.check_words({"bad": "awful", "good": " "})
    for words in ({"bad": "so", "good": " so"}, {"bad": "so"}, {}):
        with pytest.raises(CourseError, match="two labels or more"):
            prompting.check_words(words)


# --- scores -----------------------------------------------------------------------------------------------------------


def test_the_shared_start_leaves_a_token_of_each():
    assert prompting.shared_start([[1, 2, 3], [1, 2, 4]]) == 2
    assert prompting.shared_start([[1, 2, 3], [1, 2, 3]]) == 2
    assert prompting.shared_start([[1, 2], [1, 2, 3]]) == 1
    assert prompting.shared_start([[5], [6, 7]]) == 0
    assert prompting.shared_start([[1, 2, 3]]) == 2


@pytest.mark.proof("13", "prompting.answer_log_p", "the model, each answer read whole", "a random Llama in float64")
@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_reading_all(seed):
    model = small(seed)
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(60, (9,), generator=generator).tolist()
    answers = [torch.randint(60, (n,), generator=generator).tolist() for n in (1, 3, 2, 5)]
    found = prompting.answer_log_p(model, ids, answers)
    for answer, row in zip(answers, found, strict=True):
        with torch.no_grad():
            log_p = model(torch.tensor([ids + answer])).log_softmax(-1)[0, len(ids) - 1 : -1]
        wanted = log_p.gather(1, torch.tensor(answer)[:, None])[:, 0]
        torch.testing.assert_close(row, wanted, rtol=0, atol=1e-10)


@pytest.mark.proof("13", "prompting.scores, the shared start read once", "each prompt read alone", "a random Llama")
@pytest.mark.parametrize("mean", [False, True])
def test_reusing_the_shared_start_changes_nothing(mean):
    model, rows = small(), [f"Some words before {x} and after" for x in ("a", "bb", "cab", "a")]
    words = ["x", "some words", "yz"]
    ours = prompting.scores(model, Letters(), rows, words, mean=mean)
    theirs = prompting.scores(model, Letters(), rows, words, mean=mean, reuse=False)
    assert ours.shape == (4, 3)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.proof("13", "prompting.scores", "transformers.LlamaForCausalLM, its loss", "a random Llama")
def test_scores_are_the_loss_of_transformers():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=60, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=96, tie_word_embeddings=True, attn_implementation="eager",
    )  # fmt: skip
    theirs = LlamaForCausalLM(config).eval()
    ours = llama.Llama(60, **SIZES, epsilon=1e-6)
    llama.load_llama(ours, theirs.state_dict())
    letters, prompts, words = Letters(), ["abc so", "q r"], ["yes", "no"]
    found = prompting.scores(ours, letters, prompts, words)
    wanted = np.zeros((2, 2))
    for i, prompt in enumerate(prompts):
        for j, word in enumerate(words):
            before, after = letters(prompt)["input_ids"], letters(f" {word}")["input_ids"]
            labels = torch.tensor([[-100] * len(before) + after])
            with torch.no_grad():
                wanted[i, j] = -theirs(torch.tensor([before + after]), labels=labels).loss.item() * len(after)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


def test_scores_of_nothing():
    for prompts, words in (([], ["a"]), (["a"], []), ([""], ["a"]), (["a"], [" "])):
        with pytest.raises(CourseError, match="at least one prompt and one word"):
            prompting.scores(small(), Letters(), prompts, words)
    with pytest.raises(CourseError, match="A list of texts"):
        prompting.scores(small(), Letters(), "one prompt", ["a"])


def test_a_cache_is_left_as_it_was():
    model = small()
    cache = model.cache()
    with torch.inference_mode():
        model.hidden(torch.tensor([[1, 2, 3]]), cache)
    first = prompting.answer_log_p(model, [4, 5], [[6, 7], [8]], cache)
    assert cache.length == 3
    again = prompting.answer_log_p(model, [4, 5], [[6, 7], [8]], cache)
    for one, other in zip(first, again, strict=True):
        assert torch.allclose(one, other)


# --- calibration, voting ----------------------------------------------------------------------------------------------


@given(st.integers(0, 99))
def test_calibration_takes_a_bias_away(seed):
    rng = np.random.default_rng(seed)
    log_p, free, bias = rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=3)
    once = prompting.calibrated(log_p, free)
    assert np.allclose(once.sum(axis=1), 1)
    assert np.allclose(prompting.calibrated(log_p + bias, free + bias), once)
    assert np.allclose(prompting.calibrated(free[None], free), 1 / 3)
    plain = np.exp(log_p - free)
    assert np.allclose(once, plain / plain.sum(axis=1, keepdims=True))


def test_several_empty_texts_are_averaged():
    free = np.log([[0.2, 0.2], [0.9, 0.1]])  # as shares: (0.5, 0.5) and (0.9, 0.1)
    found = prompting.calibrated(np.log([[0.7, 0.3]]), free)
    assert np.allclose(found, [[0.5, 0.5]])


def test_vote():
    assert prompting.vote([3, 1, 1, 3, 2]) == 3
    assert prompting.vote(["b", "a", "a"]) == "a"
    with pytest.raises(CourseError, match="nothing to vote on"):
        prompting.vote([])


def test_the_best_of_equal_prompts_looks_better_than_it_is():
    assert prompting.expected_best([0.7], 50) == pytest.approx(0.7, abs=0.01)
    assert prompting.expected_best([0.7] * 20, 50) > 0.78


# --- few examples -----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2), min_size=2, max_size=12), st.integers(0, 9))
def test_pairs(labels, seed):
    if len(set(labels)) < 2 or len(set(labels)) == len(labels):
        with pytest.raises(CourseError, match="two classes or more"):
            prompting.pairs(labels, 4, seed)
        return
    found = prompting.pairs(labels, 20, seed)
    assert len(found) == 20 and sum(same for _, _, same in found) == 10
    for first, second, same in found:
        assert first != second and (labels[first] == labels[second]) == bool(same)


def test_teaching_pairs_brings_classes_together():
    model, tokenizer = bert.load(pretrained.folder("mini_bert")), pretrained.tokenizer_of("mini_bert")
    texts = ["The soup was good.", "A lovely room.", "The film was bad.", "An awful boat."]
    sequences = [tokenizer(text)["input_ids"] for text in texts]
    history = prompting.teach_pairs(
        model, sequences, [1, 1, 0, 0], steps=8, batch_size=4, learning_rate=3e-4, progress=False, log_every=1
    )
    losses = history["train_loss"]
    assert losses.iloc[-1] < losses.iloc[0]
