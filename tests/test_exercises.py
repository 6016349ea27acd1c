"""Exercises: right answers pass, untouched ones are no try, mistakes are shown, progress is kept."""

import _thread
import ast
import copy
import gc
import inspect
import json
import math
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from importlib import import_module
from pathlib import Path

import hostile_answers as hostile
import numpy as np
import pytest
import torch
import wrong_answers_adapt
import wrong_answers_attention
import wrong_answers_bugs
import wrong_answers_classify
import wrong_answers_explain
import wrong_answers_extract
import wrong_answers_finetune
import wrong_answers_generate
import wrong_answers_influence
import wrong_answers_ngram
import wrong_answers_pretrain
import wrong_answers_prompt
import wrong_answers_recurrent
import wrong_answers_robust
import wrong_answers_tokens
import wrong_answers_transformer
import wrong_answers_translate
from notebook_code import asked_in, imports_of, notebooks, parse, solution_after

import lmtutor as lm
from lmtutor import exercises, runtime
from lmtutor.exercises import examine, guard, progress_file
from lmtutor.runtime import CourseError

NAMES = exercises.all_names()
CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"


def reference(name):
    """The right answer to an exercise, which stands in the exercise's module under the exercise's name."""
    module, _, function = name.partition(".")
    return getattr(import_module(f"lmtutor.exercises.{module}"), function)


def inside(name):
    """What an exercise compares: its cases, its reference, its tolerance."""
    return inspect.getclosurevars(exercises.find(name).examine).nonlocals


# --- plausible wrong answers ------------------------------------------------------------------------------------------

WRONG = {}
for module in (
    wrong_answers_ngram,
    wrong_answers_tokens,
    wrong_answers_recurrent,
    wrong_answers_bugs,
    wrong_answers_classify,
    wrong_answers_attention,
    wrong_answers_transformer,
    wrong_answers_translate,
    wrong_answers_generate,
    wrong_answers_influence,
    wrong_answers_pretrain,
    wrong_answers_finetune,
    wrong_answers_explain,
    wrong_answers_extract,
    wrong_answers_adapt,
    wrong_answers_prompt,
    wrong_answers_robust,
):
    WRONG |= module.WRONG
MISTAKES = [pytest.param(name, f, id=f"{name}: {what}") for name, wrong in WRONG.items() for what, f in wrong.items()]


def test_every_exercise_has_at_least_three_plausible_wrong_answers():
    few = {name: len(WRONG.get(name, {})) for name in NAMES if len(WRONG.get(name, {})) < 3}
    assert not few, f"write more wrong answers for {few}"
    assert set(WRONG) == set(NAMES)


@pytest.mark.parametrize(("name", "answer"), MISTAKES)
def test_a_wrong_answer_fails_and_is_told_the_smallest_input_expected_and_got(name, answer, capsys):
    lm.check(name, answer)
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: not yet. For ") and said.count("\n") == 1
    assert progress_file.read()[name] == {"tries": 1, "solved": None}
    call, expected, got = first_difference(name, answer)
    assert f"For {call}" in said
    if isinstance(got, Exception):
        assert f"your code raised {type(got).__name__}: {got}".removesuffix(": ") in said
    else:
        assert f"expected {shown(expected)}" in said and f"but got {shown(got)}" in said  # long ones are cut


def first_difference(name, answer):
    """The call that differs first, what should come and what came: worked out without the code under test."""
    for arguments in inside(name)["cases"]:
        expected = reference(name)(*copy.deepcopy(arguments))
        try:
            got = answer(*copy.deepcopy(arguments))
        except Exception as error:
            got = error
        if not agree(expected, got):
            first = next(iter(inspect.signature(reference(name)).parameters))
            return f"{reference(name).__name__}({first}=", expected, got
    raise AssertionError(f"{answer} is right")


def agree(expected, got) -> bool:
    if isinstance(expected, str):
        return expected == got
    if getattr(expected, "dtype", None) == torch.bool and getattr(got, "dtype", torch.bool) != torch.bool:
        return False  # a mask of numbers masks nothing
    expected, got = (x.tolist() if hasattr(x, "tolist") else x for x in (expected, got))
    if isinstance(expected, list | tuple) or not isinstance(got, int | float):
        same_length = isinstance(expected, list | tuple) and isinstance(got, list | tuple) and len(expected) == len(got)
        return same_length and all(map(agree, expected, got))
    return bool(np.isclose(got, expected, rtol=1e-6, atol=1e-6))


def shown(value):
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, tuple):
        return "(" + shown(value[0])
    if isinstance(value, list) and value and not isinstance(value[0], float):
        return "[" + shown(value[0])
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and value and isinstance(value[0], float):
        return "[" + ", ".join(f"{v:.6g}" for v in value) + "]"
    return repr(value)[:20]


@pytest.mark.parametrize(
    ("name", "what", "remark"),
    [
        ("start.count_words", "characters", "number of characters"),
        ("start.count_words", "split at single blanks", "split() without an argument"),
        ("start.count_words", "words and marks", "only spaces separate words"),
        ("ngram.log_probability", "product", "add logarithms"),
        ("ngram.log_probability", "base 2", "base 2"),
        ("ngram.log_probability", "logarithm of 0", "logarithms first"),
        ("ngram.log_probability", "logarithm of the product", "logarithms first"),
        ("ngram.mle", "joint probability", "joint probability"),
        ("ngram.mle", "no case for an unseen history", "never seen"),
        ("ngram.perplexity", "no mean", "mean is missing"),
        ("ngram.perplexity", "2 to the nats", "that of your logarithm"),
        ("ngram.perplexity", "product that underflows", "mean of their logarithms"),
        ("ngram.perplexity", "logarithm of 0", "math.inf"),
        ("ngram.perplexity", "arithmetic mean", "arithmetic mean"),
        ("ngram.perplexity", "cross-entropy", "exponential"),
        ("ngram.add_k", "k once in the denominator", "k times |V|"),
        ("ngram.add_k", "right for k = 1 only", "k = 1 only"),
        ("ngram.add_k", "1 instead of k", "You added 1"),
        ("ngram.em_step", "old weights ignored", "old weights are missing"),
        ("ngram.em_step", "normalised over everything", "for each token first"),
        ("ngram.em_step", "summed, not averaged", "sum to 1"),
        ("ngram.witten_bell", "without the ends", "ends are missing"),
        ("ngram.witten_bell", "0 for an unseen history", "leaves the shorter one"),
        ("ngram.sample_sentence", "the end kept", "no word of it"),
        ("ngram.sample_sentence", "the start kept", "<s> is given"),
        ("ngram.sample_sentence", "one word too many", "At most"),
        ("ngram.guessing_bounds", "upper first", "lower bound comes first"),
        ("ngram.guessing_bounds", "nats", "log2"),
        ("ngram.guessing_bounds", "guesses that were never right left out", "q_i = 0"),
        ("ngram.text_perplexity", "the mean of the sentences' perplexities", "Still the mean"),
        ("ngram.text_perplexity", "the geometric mean of the sentences' perplexities", "each token should"),
        ("ngram.continuation_probability", "tokens", "counted tokens"),
        ("ngram.continuation_probability", "not divided", "A share"),
        ("ngram.kneser_ney", "the discount counted once", "different followers"),
        ("ngram.kneser_ney", "frequency in the lower order", "counts tokens"),
        ("ngram.kneser_ney", "no case for an unseen history", "never seen"),
        ("ngram.kneser_ney", "negative counts", "max(count - discount, 0)"),
        ("ngram.kneser_ney", "nothing given to the lower order", "freed share"),
        ("ngram.kneser_ney", "0 for an unseen history", "never seen"),
        ("ngram.learning_curve", "a vocabulary for each size", "the same vocabulary"),
        ("ngram.learning_curve", "the whole text for each size", "train[:size]"),
        ("ngram.learning_curve", "the cross-entropy", "cross-entropies"),
        ("ngram.learning_curve", "one discount", "without a discount"),
        ("ngram.learning_curve", "measured on the training text", "vocabulary=<Vocabulary>"),
        ("tokens.utf8", "strings of bits", "not a string"),
        ("tokens.utf8", "the bytes turned round", "turned round"),
        ("tokens.utf8", "no mark on the bytes behind", "bits in front"),
        ("tokens.merge", "overlapping", "two places further"),
        ("tokens.merge", "the first alone", "Every occurrence"),
        ("tokens.merge", "past the end", "no right neighbour"),
        ("tokens.merge", "the pair turned round", "Nothing was replaced"),
        ("tokens.encode", "from code points", "begin with the bytes"),
        ("tokens.encode", "bytes alone", "apply the merges"),
        ("tokens.encode", "ids from 255", "makes the id 256 + i"),
        ("tokens.encode", "one replacement for each merge", "pair that has a merge is left"),
        ("tokens.decode", "each by itself", "join the bytes of all"),
        ("tokens.decode", "an error", "errors='replace'"),
        ("tokens.sgns_step", "up", "subtract it"),
        ("tokens.sgns_step", "the new word", "at the old vectors"),
        ("tokens.sgns_step", "noise forgotten by the word", "sum over the context"),
        ("tokens.analogy", "given words allowed", "may not be the answer"),
        ("tokens.analogy", "turned round", "go from a to b"),
        ("tokens.words_to_ids", "dropped", "still lost"),
        ("tokens.lookup_gradient", "the last occurrence alone", "Only the last occurrence"),
        ("tokens.lookup_gradient", "the rows that were looked up", "[vocabulary, hidden]"),
        ("tokens.lookup_gradient", "the mean", "add them up"),
        ("tokens.ppmi", "no logarithm", "take its logarithm"),
        ("tokens.ppmi", "negative values kept", "Negative values become 0"),
        ("tokens.ppmi", "minus infinity", "minus infinity"),
        ("tokens.ppmi", "base 2", "base 2"),
        ("tokens.ppmi", "0 / 0 for a word without a pair", "stands in no pair"),
        ("recurrent.softmax_gradient", "the first logit subtracted", "subtract the largest"),
        ("classify.posterior", "the smallest subtracted", "largest logarithm first"),
        ("classify.calibration_error", "the other side of the bin", "into the upper one"),
        ("classify.sign_test", "powers of one half", "two whole numbers"),
        ("start.count_words", "letters and digits", "Only spaces separate words"),
        ("ngram.perplexity", "1e-13 is 0", "a small one is no 0"),
        ("transformer.rms_norm", "eps ignored", "use the argument"),
        ("transformer.rms_norm", "eps outside the root", "before the root"),
        ("transformer.leaks", "without the last id", "leave the number of ids"),
        ("translate.error_rate", "sure ones counted again", "counts once there"),
        ("translate.wins", "arguments of the score exchanged", "what was said first"),
        ("generate.matching_temperature", "always twenty steps", "here steps is 60"),
        ("pretrain.fair_accuracy", "the hidden token behind the mask", "it can still be read"),
        ("pretrain.fair_accuracy", "always [MASK]", "use the argument"),
        ("adapt.four_bits", "zeros not thought of", "a block of zeros"),
        ("tokens.spearman", "the correlation of the values", "correlation of the values"),
        ("tokens.spearman", "equal values in their order", "mean of their ranks"),
        ("tokens.spearman", "the smallest of the ranks", "mean of their ranks"),
        ("tokens.spearman", "places for ranks", "argsort()"),
        ("tokens.characters_per_token", "learned on the test texts", "Learn on `train`"),
        ("tokens.characters_per_token", "measured on the training texts", "on the training texts"),
        ("tokens.characters_per_token", "tokens per character", "the other way round"),
        ("tokens.characters_per_token", "the mean of ratios", "divide the two sums"),
        ("tokens.characters_per_token", "learned on all texts", "`train` alone"),
        ("tokens.characters_per_token", "bytes for characters", "counted bytes"),
        ("recurrent.softmax_gradient", "probabilities", "subtract 1"),
        ("recurrent.softmax_gradient", "minus", "other way round"),
        ("recurrent.softmax_gradient", "overflow", "subtract the largest"),
        ("recurrent.softmax_gradient", "overflow with an error", "subtract the largest"),
        ("recurrent.shares", "without keepdim", "keepdim=True"),
        ("recurrent.shares", "of the columns", "shares of the columns"),
        ("recurrent.two_layer", "a sum instead of a mean", "mean over the batch"),
        ("recurrent.two_layer", "tanh forgotten", "multiplied by 1 - h**2"),
        ("recurrent.two_layer", "matrices only", "Four gradients"),
        ("recurrent.adamw_step", "uncorrected", "uncorrected"),
        ("recurrent.adamw_step", "Adam: no decay", "decay is missing"),
        ("recurrent.adamw_step", "L2 in the gradient", "L2 regularisation"),
        ("recurrent.next_token_loss", "unshifted", "just read"),
        ("recurrent.next_token_loss", "padding counts", "padding counts as text"),
        ("recurrent.next_token_loss", "a mean of means", "every token should count alike"),
        ("recurrent.rnn_step", "no squashing", "torch.tanh"),
        ("recurrent.rnn_step", "state forgotten", "does not come in"),
        ("recurrent.rnn_step", "not transposed", "transposed"),
        ("recurrent.lstm_step", "cell first", "hidden state comes first"),
        ("recurrent.lstm_step", "input and forget gate exchanged", "exchanged"),
        ("recurrent.lstm_step", "cell shown unsquashed", "The cell is right"),
        ("recurrent.lstm_step", "hidden state alone", "two tensors"),
        ("recurrent.lstm_step", "Keras's order with o and g exchanged", "in the order i, f, o, g"),
        ("recurrent.inputs_and_labels", "copying", "copy"),
        ("recurrent.inputs_and_labels", "the last input has no label", "needs a label"),
        ("recurrent.clip", "each number", "direction"),
        ("recurrent.clip", "each array", "one norm over all"),
        ("recurrent.clip", "always scaled", "stay as it is"),
        ("recurrent.clip", "the squared norm", "its root"),
        ("recurrent.clip", "zeros divided", "norm of zeros is 0"),
        ("recurrent.lstm_parameters", "one bias", "PyTorch keeps two"),
        ("recurrent.lstm_parameters", "three gates", "the candidate g"),
        ("recurrent.lstm_parameters", "no bias", "biases are missing"),
        ("recurrent.top_p", "not normalised", "sum to 1"),
        ("recurrent.top_p", "too few", "reaches the share"),
        ("recurrent.top_p", "one more when the share is reached", "more than you need"),
        ("recurrent.top_p", "the order lost", "wrong places"),
        ("recurrent.context_curve", "other tokens for each length", "the same tokens"),
        ("recurrent.context_curve", "cross-entropy", "exponential"),
        ("recurrent.context_curve", "all places of a window", "only the one at the last place"),
        ("classify.posterior", "underflow", "largest logarithm first"),
        ("classify.posterior", "underflow with an error", "largest logarithm first"),
        ("classify.logistic_gradient", "uphill", "would climb"),
        ("classify.logistic_gradient", "sum", "gradient of the sum"),
        ("classify.logistic_gradient", "no sigmoid", "The sigmoid is missing"),
        ("classify.logistic_gradient", "a number for each text", "One number for each feature"),
        ("classify.masked_mean", "padding in the mean", "averaged in"),
        ("classify.masked_mean", "padding counted", "still counted"),
        ("classify.masked_mean", "sum", "That is the sum"),
        ("classify.masked_mean", "all texts' tokens", "of its own"),
        ("classify.precision_recall_f1", "swapped", "are swapped"),
        ("classify.precision_recall_f1", "ordinary mean", "harmonic"),
        ("classify.precision_recall_f1", "division by zero", "denominator is 0"),
        ("classify.precision_recall_f1", "no case for no hit", "denominator is 0"),
        ("classify.auc", "turned round", "turned round"),
        ("classify.auc", "ties lose", "counts half"),
        ("classify.auc", "ties win", "not whole"),
        ("classify.calibration_error", "all bins alike", "with their sizes"),
        ("classify.calibration_error", "sum of the gaps", "sum of the gaps"),
        ("classify.calibration_error", "one bin", "cancel"),
        ("classify.calibration_error", "each example alone", "within a bin"),
        ("classify.calibration_error", "a bin for 1.0 alone", "into the last bin"),
        ("classify.calibration_error", "1.0 in no bin", "into the last bin"),
        ("classify.calibration_error", "empty bins", "leave it out"),
        ("classify.best_threshold", "costs swapped", "swapped"),
        ("classify.best_threshold", "fewest errors", "fewest errors"),
        ("classify.best_threshold", "the largest of equals", "not the smallest"),
        ("classify.sign_test", "one side", "one side only"),
        ("classify.sign_test", "the tail of A alone", "larger of the two"),
        ("classify.sign_test", "exactly this", "more uneven"),
        ("classify.sign_test", "above 1", "cannot exceed 1"),
        ("attention.lookup", "scores for weights", "the softmax makes weights"),
        ("attention.scaled_attention", "no root", "The root is missing"),
        ("attention.scaled_attention", "softmax over the queries", "must sum to 1"),
        ("attention.right_scale", "the variance", "dividing by its root"),
        ("attention.softmax_backward", "plain mean", "the weighted one"),
        ("attention.window_mask", "one too wide", "itself among them"),
        ("attention.window_mask", "both sides", "what comes later"),
        ("attention.split_heads", "view alone", "the words are mixed up"),
        ("attention.multi_head", "no output projection", "output projection is missing"),
        ("attention.multi_head", "root of the model's size", "size of one head"),
        ("attention.multi_head", "the mask turned round", "may look"),
        ("attention.multi_head", "no mask", "-inf before the softmax"),
        ("attention.multi_head", "cut by a view", "cut through the words"),
        ("attention.multi_head", "merged without transposing", "merged in the wrong order"),
        ("attention.multi_head", "transposed matrices", "on the right"),
        ("attention.multi_head", "one head", "one large head"),
        ("attention.rotary", "clockwise", "other way"),
        ("attention.rotary", "positions from 0", "need not begin at 0"),
        ("attention.rotary", "half the exponent", "-2i / d"),
        ("attention.rotary", "neighbours", "paired neighbours"),
        ("attention.rotary", "in 16 bits", "16 bits only"),
        ("attention.merge", "no factors", "bring both to the common one"),
        ("attention.mended", "as it was", "sees itself alone"),
        ("attention.mended", "not merged", "back before you flatten"),
        ("transformer.shift", "copying", "is copying"),
        ("transformer.shift", "exchanged", "what it reads comes first"),
        ("transformer.shift", "reads the end", "never reads the end"),
        ("transformer.shift", "says the start", "never said"),
        ("transformer.rms_norm", "no gain", "gain is missing"),
        ("transformer.rms_norm", "centred", "does not subtract the mean"),
        ("transformer.rms_norm", "length", "mean of the squares"),
        ("transformer.rms_norm", "no root", "take its root"),
        ("transformer.decoder_layer", "causal False", "A target token sees later ones"),
        ("transformer.decoder_layer", "across itself", "keys and values from the memory"),
        ("transformer.decoder_layer", "residual False", "residual connections are missing"),
        ("transformer.decoder_layer", "after True", "That is post-norm"),
        ("transformer.decoder_layer", "mixed True", "owns neighbouring numbers"),
        ("transformer.decoder_mask", "the queries hidden", "Still the queries are hidden"),
        ("transformer.decoder_mask", "turned round", "turned round"),
        ("transformer.decoder_mask", "what is hidden", "True means may look"),
        ("transformer.leaks", "the last counts", "The last place may change"),
        ("transformer.leaks", "nothing changed", "really another one"),
        ("transformer.decoder_layer_parameters", "the encoder's", "layer of the encoder"),
        ("transformer.decoder_layer_parameters", "one attention", "two attentions"),
        ("transformer.decoder_layer_parameters", "no biases", "biases of the linear maps"),
        ("transformer.decoder_layer_parameters", "norms without bias", "a gain and a bias"),
        ("transformer.break_even", "attention alone", "feed-forward network works"),
        ("transformer.break_even", "feed-forward alone", "four maps of attention"),
        ("transformer.break_even", "not divided", "Divide both sides"),
        ("translate.least_loss", "no smoothing", "without smoothing"),
        ("translate.least_loss", "the right token alone", "weighs -ln of all shares"),
        ("translate.least_loss", "the others forgotten", "The other tokens have a share"),
        ("translate.least_loss", "one too many", "V - 1 are left"),
        ("translate.least_loss", "the right one without its part", "1 - ε + ε / V"),
        ("translate.least_loss", "in bits", "These are bits"),
        ("translate.beam_search", "what came before forgotten", "add its log P"),
        ("translate.beam_search", "each goes on alone", "compete with each other"),
        ("translate.beam_search", "an ended one goes on", "does not go on"),
        ("translate.beam_search", "an ended one takes a place", "leaves its place"),
        ("translate.beam_search", "all that end", "among the likeliest"),
        ("translate.beam_search", "unfinished ones dropped", "counts as it stands"),
        ("translate.beam_search", "the end not counted", "counts in its length"),
        ("translate.beam_search", "all returned", "Only the best"),
        ("translate.beam_search", "the worst first", "best score comes first"),
        ("translate.beam_search", "no length penalty", "their scores are not"),
        ("translate.beam_search", "stops at the first end", "goes on when a text has ended"),
        ("translate.least_risk", "exchanged", "in this order"),
        ("translate.least_risk", "each sample once", "counts twice"),
        ("translate.least_risk", "the most frequent sample", "most frequent sample"),
        ("translate.least_risk", "the best match", "the mean over all"),
        ("translate.least_risk", "the most risk", "highest utility"),
        ("translate.least_risk", "itself left out", "equal to the candidate"),
        ("translate.clipped_precision", "not clipped", "Not clipped"),
        ("translate.clipped_precision", "kinds", "not once"),
        ("translate.clipped_precision", "recall", "that is recall"),
        ("translate.clipped_precision", "words as total", "m - n + 1"),
        ("translate.error_rate", "what is right", "1 minus it"),
        ("translate.error_rate", "sure ones not possible", "a sure link is a possible one"),
        ("translate.error_rate", "possible ones forgotten", "are no mistakes"),
        ("translate.error_rate", "union", "counts twice"),
        ("translate.error_rate", "all must be found", "Nobody has to find"),
        ("translate.wins", "ties lost", "A tie counts one half"),
        ("translate.wins", "B's wins", "B's wins"),
        ("translate.wins", "a count", "A share was asked for"),
        ("translate.wins", "samples ignored", "Score each sample"),
        ("extract.bio", "I alone", "run into one"),
        ("extract.bio", "B alone", "Only the first place"),
        ("extract.bio", "one too far", "as a slice does"),
        ("extract.bioes", "no S-", "gets an S-"),
        ("extract.bioes", "no E-", "gets an E-"),
        ("extract.bioes", "E- alone", "that a B- has begun"),
        ("extract.log_total", "the best alone", "best sequence alone"),
        ("extract.log_total", "turned moves", "labels that one comes from"),
        ("extract.log_total", "the moves left out", "moves count, too"),
        ("extract.log_total", "overflow", "does not fit into a float"),
        ("extract.piece_labels", "all pieces", "Only the first piece"),
        ("extract.piece_labels", "zero", "0 is a label"),
        ("extract.piece_labels", "the last piece", "the last piece of each word"),
        ("extract.piece_labels", "no special tokens", "special tokens included"),
        ("extract.may_follow", "any name", "types must be the same"),
        ("extract.may_follow", "behind B only", "behind I- of the same type"),
        ("extract.may_follow", "always", "begins with B-"),
        ("extract.may_follow", "the same type", "behind anything"),
        ("extract.best_span", "one by one", "ends before it begins"),
        ("extract.best_span", "from the best start", "best start alone"),
        ("extract.best_span", "to the best end", "best end alone"),
        ("extract.best_span", "a single place", "more than one place"),
        ("extract.common", "words in common", "without regard to the order"),
        ("extract.common", "the longest run", "Gaps are allowed"),
        ("extract.common", "greedy", "at its first chance"),
        ("extract.not_better", "better", "in which the first is better"),
        ("extract.not_better", "zero is better", "not better, either"),
        ("extract.not_better", "a number", "not their number"),
        ("extract.not_better", "no resamples", "Use the draws"),
        ("extract.not_better", "each text once", "counts twice"),
        ("extract.not_better", "per cent", "between 0 and 1"),
        ("extract.piece_labels", "word 0 left out", "Word 0 is a word"),
        ("extract.best_span", "from 0 up", "minus infinity"),
        ("extract.best_span", "its own start too late", "its own start first"),
        ("extract.best_span", "the place behind", "not the place behind it"),
        ("extract.common", "a word of the first twice", "on both sides"),
        ("extract.common", "a word of the second twice", "on both sides"),
        ("generate.parameters", "logits twice", "counts once"),
        ("generate.parameters", "no positions", "positions are missing"),
        ("generate.parameters", "no last norm", "last norm is missing"),
        ("generate.parameters", "no norms", "two norms of each layer"),
        ("generate.parameters", "matrices alone", "Biases and norms"),
        ("generate.cached_attention", "the corner of PyTorch", "upper left corner still"),
        ("generate.cached_attention", "no mask", "a mask is needed"),
        ("generate.cached_attention", "one too many", "Move the diagonal"),
        ("generate.cached_attention", "not itself", "Move the diagonal"),
        ("generate.cached_attention", "the last token alone", "A row for each new token"),
        ("generate.cache_bytes", "keys alone", "Keys *and* values"),
        ("generate.cache_bytes", "one head", "Each of the kv_heads"),
        ("generate.cache_bytes", "queries, too", "Queries are not needed"),
        ("generate.cache_bytes", "numbers", "takes some bytes"),
        ("generate.cache_bytes", "scores", "are not kept"),
        ("generate.min_p", "not scaled", "sum to 1"),
        ("generate.min_p", "a probability", "a share of the largest"),
        ("generate.min_p", "places lost", "Keep the places"),
        ("generate.min_p", "above only", "*At least* that share"),
        ("generate.draw", "greedy", "That is the likeliest token"),
        ("generate.draw", "not exceeded", "must *exceed* u"),
        ("generate.draw", "each probability", "running sum"),
        ("generate.draw", "the last, though it has no probability", "a hair below 1"),
        ("generate.repetition", "diversity", "Repetition is the rest"),
        ("generate.repetition", "kinds that come twice", "each time but the first"),
        ("generate.repetition", "all that come twice", "The first time is no repetition"),
        ("generate.repetition", "of the tokens", "m - n + 1"),
        ("generate.matching_temperature", "the middle", "That is the middle"),
        ("generate.matching_temperature", "the wrong way", "You end at a border"),
        ("generate.matching_temperature", "a straight line", "need not be a straight line"),
        ("generate.matching_temperature", "a line beyond the borders", "the nearer one"),
        ("pretrain.hidden_loss", "plus", "*minus* its mean"),
        ("pretrain.hidden_loss", "a sum", "take the mean"),
        ("pretrain.hidden_loss", "over all places", "not of all places"),
        ("pretrain.hidden_loss", "over the vocabulary", "only the right token counts"),
        ("pretrain.trust", "of all tokens", "this one is not the mask"),
        ("pretrain.trust", "stayers forgotten", "stayed as they were are true"),
        ("pretrain.trust", "wrong ones", "how likely it is wrong"),
        ("pretrain.trust", "of the chosen", "most visible tokens were not chosen"),
        ("pretrain.parameters", "no pooler", "The pooler is missing"),
        ("pretrain.parameters", "no pooler's bias", "pooler's bias"),
        ("pretrain.parameters", "half a norm", "a gain and a bias"),
        ("pretrain.parameters", "a norm too many", "No further norm"),
        ("pretrain.parameters", "no segments", "2 d each"),
        ("pretrain.parameters", "neither", "*and* the norm"),
        ("pretrain.parameters", "no positions", "positions are missing"),
        ("pretrain.parameters", "logits twice", "counts once"),
        ("pretrain.fair_accuracy", "nothing hidden", "can still be read"),
        ("pretrain.fair_accuracy", "all hidden", "one token at a time"),
        ("pretrain.fair_accuracy", "cut out", "all behind it move up"),
        ("pretrain.fair_accuracy", "a count", "A share was asked for"),
        ("pretrain.most_selective", "best accuracy", "subtract the control's"),
        ("pretrain.most_selective", "a ratio", "is the difference"),
        ("pretrain.most_selective", "exchanged", "should be *low*"),
        ("pretrain.most_selective", "the last of equals", "take the first"),
        ("pretrain.most_selective", "the value", "the number of its layer"),
        ("finetune.new_parameters", "no biases", "has a bias, too"),
        ("finetune.new_parameters", "one class", "weights of its own"),
        ("finetune.new_parameters", "one bias", "a bias of its own"),
        ("finetune.new_parameters", "the pooler, too", "it is not new"),
        ("finetune.rate", "the higher line", "begins with a warm-up"),
        ("finetune.rate", "only rises", "the rate falls"),
        ("finetune.rate", "only falls", "begins with a warm-up"),
        ("finetune.rate", "begins at 0", "not 0"),
        ("finetune.rate", "stays up", "reaches 0 when"),
        ("finetune.rate", "falls from the start", "begins where the warm-up ends"),
        ("finetune.rate", "a share", "share of the peak"),
        ("finetune.windows", "no overlap", "Neighbours share"),
        ("finetune.windows", "a full last window", "the last two as well"),
        ("finetune.windows", "beyond the end", "ends where the text ends"),
        ("finetune.windows", "the rest is lost", "in no window"),
        ("finetune.windows", "one too many", "holds nothing new"),
        ("finetune.stop_early", "never stops", "later losses are never seen"),
        ("finetune.stop_early", "exchanged", "comes first"),
        ("finetune.stop_early", "against the one before", "with the lowest so far"),
        ("finetune.stop_early", "keeps the last", "not the last ones"),
        ("finetune.stop_early", "not counted", "the last one counts"),
        ("finetune.stop_early", "the lowest of all", "comes after the stop"),
        ("finetune.importance", "the other sign", "positive importance"),
        ("finetune.importance", "the first that is alike", "at *this* place"),
        ("finetune.importance", "not compared", "compare it with that of the whole text"),
        ("finetune.importance", "each word alone", "each word alone"),
        ("finetune.importance", "all that are alike", "at one place only"),
        ("finetune.importance", "a dict", "a word may occur twice"),
        ("finetune.seeds_needed", "one mean alone", "variances add"),
        ("finetune.seeds_needed", "one standard error", "Twice the standard error"),
        ("finetune.seeds_needed", "one will do", "no spread to compare"),
        ("adapt.fleet", "the base a task", "kept once"),
        ("adapt.fleet", "no base", "no use without the base"),
        ("adapt.break_even_rank", "the largest rank", "larger than the matrix by then"),
        ("adapt.break_even_rank", "equally large", "fewer was asked for"),
        ("adapt.kept_share", "not squared", "Square them"),
        ("adapt.kept_share", "the first ones", "keep the largest ones"),
        ("adapt.merged", "no scale", "alpha / rank"),
        ("adapt.merged", "alpha alone", "divided by the rank"),
        ("adapt.merged", "the change alone", "must be added"),
        ("adapt.tuned", "chosen by the test split", "no test any more"),
        ("adapt.tuned", "chosen by one seed", "lucky seed"),
        ("adapt.tuned", "a rate for each seed", "one rate for all"),
        ("adapt.tuned", "validation reported", "report the test split's"),
        ("adapt.four_bits", "not absolute", "*absolute*"),
        ("adapt.four_bits", "codes", "These are the codes"),
        ("adapt.four_bits", "no scale", "Divide the block"),
        ("adapt.four_bits", "the level below", "above or below"),
        ("adapt.four_bits", "the level above", "above or below"),
        ("adapt.four_bits", "the sign lost", "sign is lost"),
        ("adapt.merged", "A times B", "as A is applied first"),
    ],
)
def test_a_typical_mistake_gets_a_remark_on_what_it_is(name, what, remark):
    assert remark in exercises.find(name).examine(WRONG[name][what])


# --- right answers and untouched ones ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_passes_and_is_recorded(name, capsys):
    lm.check(name, reference(name))
    assert capsys.readouterr().out == f"{name}: right!\n"
    assert progress_file.read()[name]["tries"] == 1 and progress_file.read()[name]["solved"]


@pytest.mark.parametrize("name", NAMES)
def test_other_types_of_number_and_container_pass_too(name):
    """NumPy's numbers and arrays, tuples and generators are as good as floats and lists."""

    def other(*arguments):
        result = reference(name)(*arguments)
        if isinstance(result, str):
            return result
        if isinstance(result, list) and result and isinstance(result[0], str):
            return tuple(result)
        if isinstance(result, tuple) and all(
            isinstance(part, list) and isinstance([*part, 0][0], str) for part in result
        ):
            return [tuple(part) for part in result]  # lists of words
        if isinstance(result, tuple) and isinstance(result[0], list) and isinstance([*result[0], 0][0], str):
            return [tuple(result[0]), *map(np.float64, result[1:])]  # a list of words, and numbers
        if isinstance(result, list) and result and isinstance(result[0], tuple) and isinstance(result[0][1], list):
            return tuple([np.float64(number), array(items, float)] for number, items in result)
        kind = None if getattr(result, "dtype", None) == torch.bool else float  # a mask stays one
        return (np.float64(x) for x in result) if isinstance(result, list) else array(result, kind)

    def shape(part):
        try:
            return np.shape(part)
        except ValueError:  # a number beside a list
            return "ragged"

    def array(result, kind=None):
        if isinstance(result, str):
            return result
        shapes = {shape(part) for part in result} if isinstance(result, list | tuple) else set()
        ragged = len(shapes) > 1 or "ragged" in shapes
        return [array(part, kind) for part in result] if ragged else np.asarray(result, kind)

    assert exercises.find(name).examine(other) is None
    assert exercises.find(name).examine(lambda *arguments: array(reference(name)(*arguments))) is None


@pytest.mark.parametrize("stub", [..., lambda *arguments: ...], ids=["dots", "a function that returns dots"])
@pytest.mark.parametrize("name", NAMES)
def test_an_untouched_stub_is_not_tried_yet_and_records_nothing(name, stub, capsys):
    lm.check(name, stub)
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: not tried yet.") and f"lm.hint('{name}')" in said
    assert not progress_file.file().exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_function_without_return_is_asked_for_it(name, capsys):
    lm.check(name, lambda *arguments: None)
    assert "returned None: is there a `return`?" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_an_error_in_the_learner_s_code_is_told_and_not_raised(name, capsys):
    def answer(*arguments):
        raise KeyError("no such word")

    lm.check(name, answer)
    assert "your code raised KeyError: 'no such word'" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_with_too_few_arguments_is_told_and_not_raised(name, capsys):
    lm.check(name, lambda: 1)
    assert "your code raised TypeError:" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [3, "text", None, [1]])
@pytest.mark.parametrize("name", NAMES)
def test_a_result_in_place_of_the_function_is_told(name, answer, capsys):
    lm.check(name, answer)
    assert f"A function was expected, but a {type(answer).__name__} came" in capsys.readouterr().out


@pytest.mark.parametrize(
    "odd",
    ["0.5", [], {}, [[1], [2, 3]], {"a": 1}, np.ones((2, 3)), object(), float("nan"), -1.0, b"x", print, [None]],
    ids=repr,
)
@pytest.mark.parametrize("name", NAMES)
def test_whatever_comes_back_the_check_itself_never_fails(name, odd, capsys):
    lm.check(name, lambda *arguments: odd)
    assert capsys.readouterr().out.startswith(f"{name}: not yet. For ")


@pytest.mark.parametrize("name", NAMES)
def test_a_generator_that_fails_on_the_way_is_told_and_not_raised(name, capsys):
    lm.check(name, lambda *arguments: (1 / 0 for _ in "ab"))
    assert capsys.readouterr().out.startswith(f"{name}: not yet. For ")


@pytest.mark.parametrize("name", NAMES)
def test_arguments_that_an_answer_changes_are_whole_again_in_the_next_case(name):
    cases = inside(name)["cases"]
    before = repr([case[:2] for case in cases])  # models and vocabularies have no equality; the first two say enough

    def destroy(*arguments):
        result = reference(name)(*arguments)
        for argument in arguments:
            if isinstance(argument, list | dict):
                argument.clear()
        return result

    assert exercises.find(name).examine(destroy) is None
    assert repr([case[:2] for case in cases]) == before


@pytest.mark.parametrize("name", NAMES)
def test_cases_come_with_the_smallest_first(name):
    sizes = [len(repr(case)) for case in inside(name)["cases"]]
    assert sizes[0] <= min(sizes) + 3, sizes


@pytest.mark.parametrize("name", NAMES)
def test_every_exercise_has_a_hint(name, capsys):
    lm.hint(name)
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: ") and len(said) > len(name) + 30


@pytest.mark.parametrize("ask", [lm.hint, lambda name: lm.check(name, ...)], ids=["hint", "check"])
def test_an_unknown_exercise_is_told_with_the_nearest(ask):
    with pytest.raises(CourseError, match="The exercise 'ngram.add-k' is not known; did you mean 'ngram.add_k'"):
        ask("ngram.add-k")


# --- comparing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "got", "agree"),
    [
        (1.0, 1.0 + 1e-9, True),
        (1.0, 1.01, False),
        (math.inf, math.inf, True),
        (math.inf, 1e300, False),
        (1.0, "1.0", False),
        (1.0, None, False),
        ([1.0, 2.0], (1.0, 2.0), True),
        ([1.0, 2.0], [1.0], False),
        ([1.0, 2.0], [2.0, 1.0], False),
        ([1.0], 1.0, False),
        (["a"], "a", False),
        ({"a": [1.0]}, {"a": [1.0 + 1e-9]}, True),
        ({"a": 1.0}, {"b": 1.0}, False),
        ({"a": 1.0}, [("a", 1.0)], False),
        ("word", "word", True),
        ("word", "Word", False),
        (True, True, True),
        (True, False, False),
        (True, np.True_, True),
        (True, 2, False),
        (True, "True", False),
        (10**7, 10**7 + 1, False),  # whole numbers are exact
        (10**7, 1e7, True),
        (1.0, np.array(1.0), True),
        (1.0, np.array([1.0]), False),
        (1.0, torch.tensor([1.0]), False),
        ([1.0, 2.0], np.array([[1.0], [2.0]]), False),  # a column is no row
        ([1.0, 2.0], {1.0: "a", 2.0: "b"}, False),
        ([1, 2], {1, 2}, False),
        ("word", np.str_("word"), True),
    ],
)
def test_results_agree_within_the_tolerance_and_item_by_item(expected, got, agree):
    assert examine.same(expected, got, 1e-6) is agree


@pytest.mark.parametrize("kind", [object, str, float, list, tuple], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("expected", [True, 1.0, "word", ["a", 1], {"a": 1}], ids=repr)
def test_what_equals_everything_agrees_with_nothing(expected, kind):
    assert not examine.same(expected, type("Agreeable", (kind,), {"__eq__": lambda self, other: True})(), 1e-6)
    agreeable = type("Agreeable", (object,), {"__eq__": lambda self, other: True})
    assert not examine.same(["a", 1, True], [agreeable() for _ in range(3)], 1e-6)


def test_a_function_among_the_arguments_is_shown_by_what_it_does():
    def twice(number):
        """Twice the number."""
        return 2 * number

    said = examine.compare(lambda function, number: function(number), [(twice, 3)])(lambda function, number: number)
    assert said == "For <lambda>(function=<Twice the number.>, number=3) expected 6, but got 3."


def test_the_first_case_that_differs_is_shown_and_long_values_are_cut():
    check = examine.compare(sum, [([1],), ([1, 2],), (list(range(1000)),)])
    assert check(sum) is None
    assert "[1, 2]" in check(lambda iterable: iterable[0])
    said = check(lambda iterable: 3 if len(iterable) == 2 else iterable[0])
    assert "..." in said and len(said) < 200


# --- hostile answers --------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """Little time and memory, so that the tests need little of both, too."""
    monkeypatch.setattr(guard, "SECONDS", 2.0)
    monkeypatch.setattr(guard, "MEMORY", 3e8)


def world():
    """What an answer must not change for good."""
    return (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        str(torch.tensor([1 / 3])),
        np.get_printoptions(),
        np.geterr(),
        os.getcwd(),
        dict(os.environ),
        sys.getrecursionlimit(),
        sys.gettrace(),
        sys.stdout,
        sys.stderr,
    )


def assert_survived(name, answer, capsys):
    before = world()
    capsys.readouterr()
    lm.check(name, answer)
    assert world() == before
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith(f"{name}: not yet. "), said[:200]
    assert len(said) < guard.PRINTED + 5000
    return said


@pytest.mark.filterwarnings("ignore")  # of pandas, NumPy and asyncio, on what came
@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_an_answer_does_gets_out_of_the_check(name, impatient, capsys):
    kinds = {**hostile.RAISING, **hostile.RESULTS}
    for kind in list(kinds)[NAMES.index(name) % 4 :: 4]:  # each of them with a quarter of the exercises
        assert_survived(name, kinds[kind], capsys)


@pytest.mark.parametrize("kind", hostile.CHANGES)
def test_after_a_check_the_learner_s_world_is_as_before(kind, capsys):
    assert_survived("start.count_words", hostile.CHANGES[kind], capsys)


@pytest.mark.parametrize("kind", hostile.ENDLESS)
def test_what_does_not_end_is_stopped_and_told(kind, capsys, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.3)
    monkeypatch.setattr(guard, "PATIENCE", 0.3 if kind in ("waits", "sleeps") else 20)
    name = "extract.piece_labels" if kind == "iterates for ever" else "start.count_words"
    said = assert_survived(name, hostile.ENDLESS[kind], capsys)
    assert re.search(r"your code still ran after \d+ s: does a loop in it never end\?", said)
    assert ("restart the kernel" in said) is (kind in ("waits", "sleeps"))


def test_what_fills_the_memory_is_stopped_and_told(capsys, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 60.0)
    monkeypatch.setattr(guard, "MEMORY", 1e8)
    monkeypatch.setattr(guard, "PATIENCE", 20.0)
    slow_callback = lambda phase, info: sum(range(10**6))  # noqa: E731  an error that is raised in it is lost
    gc.callbacks.append(slow_callback)
    try:
        said = assert_survived("start.count_words", hostile.grows, capsys)
    finally:
        gc.callbacks.remove(slow_callback)
    assert "does something in it grow without end?" in said
    assert "restart the kernel" not in said  # it would grow on, until the machine has no memory left


def test_an_answer_that_ends_the_program_is_told_how_it_ended():
    said = exercises.find("start.count_words").examine(lambda text: sys.exit("bye"))
    assert said == "For count_words(string='sea') your function ended with SystemExit: bye: it has to return its result"


@pytest.fixture
def heard_interrupt():
    """Ctrl-C raises KeyboardInterrupt, as in a notebook; where tests run in the background it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_ctrl_c_of_the_learner_stops_the_check_and_the_answer(monkeypatch, heard_interrupt):
    before = set(threading.enumerate())
    monkeypatch.setattr(guard, "SECONDS", 60.0)
    monkeypatch.setattr(guard, "PATIENCE", 60.0)

    def interrupts_and_spins(text):
        _thread.interrupt_main()  # as the stop button does, while the answer runs
        hostile.spins()

    with pytest.raises(KeyboardInterrupt):
        lm.check("start.count_words", interrupts_and_spins)
    assert set(threading.enumerate()) <= before
    assert not progress_file.file().exists()


def test_what_an_answer_prints_is_shown_up_to_a_length(capsys):
    lm.check("start.count_words", lambda text: print("looking at", text) or len(text.split()))
    said = capsys.readouterr().out
    assert "looking at sea\n" in said and "right!" in said and "more than is shown" not in said
    lm.check("start.count_words", lambda text: print("x" * 10**6) or len(text.split()))
    said = capsys.readouterr().out
    assert "x" * 1000 in said and "your code prints more than is shown" in said and len(said) < guard.PRINTED + 200


# --- progress ---------------------------------------------------------------------------------------------------------


def wrong_answer(text):
    return -1


def test_tries_are_counted_until_the_first_right_answer_and_the_day_stays(capsys, monkeypatch):
    name = "start.count_words"
    for answer in (wrong_answer, wrong_answer, reference(name)):
        lm.check(name, answer)
    entry = progress_file.read()[name]
    assert entry["tries"] == 3 and re.fullmatch(r"\d{4}-\d\d-\d\d", entry["solved"])
    for answer in (reference(name), wrong_answer):  # what was solved stays solved
        lm.check(name, answer)
    assert progress_file.read()[name] == entry


def test_progress_has_a_row_a_chapter_and_can_be_forgotten():
    lm.check("start.count_words", reference("start.count_words"))
    lm.check("ngram.mle", lambda *arguments: 0)
    table = lm.progress()
    assert list(table.index) == list(exercises.CHAPTERS)
    assert table.loc["00", ["solved", "of", "tries", "next"]].tolist() == [1, 1, 1, ""]
    assert table.loc["01", ["solved", "of", "tries"]].tolist() == [0, len(exercises.all_names("01")), 1]
    assert table.loc["01", "next"] == "ngram.log_probability"
    assert lm.progress(reset=True)[["solved", "tries"]].to_numpy().sum() == 0
    assert progress_file.read() == {}


def test_progress_survives_a_restart_of_the_kernel():
    lm.check("ngram.mle", reference("ngram.mle"))
    code = "import lmtutor as lm; print(lm.progress().loc['01', 'solved'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b'{"ngram.mle": {"tries": 3',
        b"\xff\xfe\x00",
        b"[]\n",
        b"3",
        b"null",
        b'{"a": 3}',
        b'{"a": {}}',
        b"\x1f\x8b",
    ],
    ids=repr,
)
def test_a_damaged_progress_file_is_put_aside_and_nothing_is_lost(damage, capsys):
    progress_file.file().write_bytes(damage)
    lm.check("ngram.mle", reference("ngram.mle"))
    said = capsys.readouterr().out
    aside = runtime.home() / "progress.damaged-1.json"
    assert said.startswith(f"ngram.mle: right!\nYour progress file was damaged; it is kept as {aside},")
    assert aside.read_bytes() == damage
    assert list(progress_file.read()) == ["ngram.mle"]


def test_a_second_damage_does_not_write_over_what_was_put_aside_first():
    for damage in (b"first", b"second"):
        progress_file.file().write_bytes(damage)
        assert progress_file.read() == {}
    kept = [(runtime.home() / f"progress.damaged-{i}.json").read_bytes() for i in (1, 2)]
    assert kept == [b"first", b"second"]


@pytest.mark.parametrize("home", ["file", "file/below"])
def test_a_home_that_cannot_be_written_is_told_in_one_sentence_and_stops_nothing(home, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")  # even root cannot make a folder inside a file
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path / home))
    lm.check("ngram.mle", reference("ngram.mle"))
    right, complaint = capsys.readouterr().out.splitlines()
    assert right == "ngram.mle: right!"
    assert complaint.startswith("(Progress is not saved: ") and str(tmp_path / home) in complaint
    assert "Set LMTUTOR_HOME to a folder that you can write." in complaint
    assert lm.progress().loc["01", "solved"] == 0
    assert (tmp_path / "file").read_text(encoding="utf-8") == "no folder"


def test_a_reset_that_cannot_be_written_is_told_too(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path / "file"))
    lm.progress(reset=True)
    assert capsys.readouterr().out.startswith("(Progress is not saved: ")


@pytest.mark.parametrize("step", ["write_text", "replace"])
def test_a_full_disk_leaves_the_progress_of_before_and_no_half_file(step, monkeypatch, capsys):
    lm.check("ngram.mle", reference("ngram.mle"))
    before = progress_file.file().read_bytes()
    original = Path.write_text

    def full(self, *arguments, **options):
        if step == "write_text":
            original(self, "half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, step, full)
    capsys.readouterr()
    lm.check("start.count_words", reference("start.count_words"))
    said = capsys.readouterr().out
    assert "No space left on device" in said and said.count("\n") == 2
    assert {p.name for p in progress_file.file().parent.iterdir()} - {"progress.lock"} == {"progress.json"}
    assert progress_file.file().read_bytes() == before


def test_a_progress_file_that_cannot_be_read_is_not_written_over(monkeypatch, capsys):
    lm.check("ngram.mle", reference("ngram.mle"))
    before = progress_file.file().read_bytes()
    with monkeypatch.context() as patch:

        def forbidden(self):
            raise PermissionError(13, "Permission denied")

        patch.setattr(Path, "read_bytes", forbidden)
        capsys.readouterr()
        lm.check("start.count_words", reference("start.count_words"))
    assert "(Progress is not saved: Permission denied" in capsys.readouterr().out
    assert progress_file.file().read_bytes() == before


ENTRY = {"tries": 2, "solved": None}


@pytest.mark.parametrize(
    "odd",
    [{"tries": None, "solved": None}, {"tries": "3", "solved": None}, {"tries": 1, "solved": []}, [], None, True]
    + [{"tries": -1, "solved": None}, {"tries": math.inf, "solved": None}, {"tries": 1}],
    ids=repr,
)
def test_an_odd_entry_is_put_aside_and_the_others_go_on(odd, capsys):
    content = json.dumps({"ngram.mle": ENTRY, "ngram.add_k": odd})
    progress_file.file().write_text(content, encoding="utf-8")
    assert lm.progress()["tries"].sum() == 2
    aside = runtime.home() / "progress.damaged-1.json"
    assert capsys.readouterr().out == (
        f"Your progress file was damaged; it is kept as {aside}, and what can be read of it goes on.\n"
    )
    assert aside.read_text(encoding="utf-8") == content
    lm.check("ngram.add_k", wrong_answer)
    assert progress_file.read() == {"ngram.mle": ENTRY, "ngram.add_k": {"tries": 1, "solved": None}}
    assert capsys.readouterr().out.startswith("ngram.add_k: not yet.")


def test_lists_in_lists_without_end_are_put_aside_too():
    progress_file.file().write_text("[" * 10**5, encoding="utf-8")
    assert progress_file.read() == {}
    assert (runtime.home() / "progress.damaged-1.json").exists()


NO_HOME = "There is no home folder for {}: set LMTUTOR_HOME to the full path of a folder that you can write."


@pytest.mark.parametrize("wanted", ["", "~nobody-has-this-name/x", "relative"])
def test_without_a_home_folder_the_verdict_is_shown_and_one_sentence_says_why_nothing_is_kept(
    wanted, monkeypatch, capsys
):
    monkeypatch.setenv("LMTUTOR_HOME", wanted)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does where there is none
    lm.check("ngram.mle", reference("ngram.mle"))
    right, complaint = capsys.readouterr().out.splitlines()
    assert right == "ngram.mle: right!"
    assert complaint == f"(Progress is not saved: {NO_HOME.format(wanted or '~/.lmtutor')})"
    assert lm.progress(reset=True)["tries"].sum() == 0


def test_a_home_that_cannot_even_be_looked_at_is_told(monkeypatch, capsys, tmp_path):
    home = tmp_path / ("x" * 300)  # no system has such names; for others than root, a folder of somebody else's
    monkeypatch.setenv("LMTUTOR_HOME", str(home))
    lm.check("ngram.mle", reference("ngram.mle"))
    right, complaint = capsys.readouterr().out.splitlines()
    assert right == "ngram.mle: right!"
    assert complaint.startswith("(Progress is not saved: ") and f"{home}" in complaint
    assert lm.progress()["tries"].sum() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_in_place_of_the_file_is_told_and_not_waited_for(capsys):
    os.mkfifo(progress_file.file())
    lm.check("ngram.mle", reference("ngram.mle"))
    assert "(Progress is not saved: this is not a file" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows asks for rights before it makes links")
@pytest.mark.parametrize("before", [None, b"{}", b"damaged"])
def test_a_link_stays_and_its_target_is_written(before, tmp_path):
    target = tmp_path / "synchronised" / "mine.json"
    if before is not None:
        target.parent.mkdir()
        target.write_bytes(before)
    link = runtime.home() / "progress.json"
    link.symlink_to(target)
    lm.check("ngram.mle", reference("ngram.mle"))
    assert link.is_symlink() and list(json.loads(target.read_bytes())) == ["ngram.mle"]
    kept = [path.read_bytes() for path in target.parent.glob("*damaged*")]
    assert kept == [b"damaged"] * (before == b"damaged")


def record_some(number, start):
    start.wait()
    for i in range(25):
        progress_file.record(f"{number}.{i}", solved=True)


def test_of_the_answers_of_eight_kernels_at_once_none_is_lost():
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "fork")
    start = context.Barrier(8)
    kernels = [context.Process(target=record_some, args=(number, start)) for number in range(8)]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join(120)
        assert kernel.exitcode == 0
    entries = json.loads(progress_file.file().read_bytes())
    assert entries.keys() == {f"{number}.{i}" for number in range(8) for i in range(25)}


def test_a_lock_that_is_not_given_back_is_told_and_stops_nothing(monkeypatch, capsys):
    monkeypatch.setattr(progress_file, "LOCK_SECONDS", 0.1)
    with progress_file._lock():
        lm.check("ngram.mle", reference("ngram.mle"))
    right, complaint = capsys.readouterr().out.splitlines()
    assert right == "ngram.mle: right!" and complaint.startswith("(Progress is not saved: ") and "lock" in complaint
    assert progress_file.read() == {}


def test_of_two_machines_progress_is_joined_and_nothing_is_lost(tmp_path, monkeypatch):
    ours = {"a": {"tries": 3, "solved": None}, "b": {"tries": 1, "solved": "2026-01-05"}}
    theirs = {"a": {"tries": 1, "solved": "2026-02-01"}, "b": {"tries": 4, "solved": "2026-01-04"}}
    theirs["c"] = {"tries": 2, "solved": None}
    progress_file._write(theirs)
    progress_file.export(tmp_path / "theirs.json")
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path / "ours"))
    progress_file._write(ours)
    assert progress_file.merge(tmp_path / "theirs.json") == 1
    joined = {"a": {"tries": 3, "solved": "2026-02-01"}, "b": {"tries": 4, "solved": "2026-01-04"}, "c": theirs["c"]}
    assert progress_file.read() == joined


FOREIGN = {
    "{": "holds no progress",
    "[]": "holds no progress",
    json.dumps({"ngram.mle": ENTRY}): "holds no progress",
    json.dumps({"lmtutor progress": 2, "exercises": {}}): "update the course",
    json.dumps({"lmtutor progress": 1, "exercises": {"ngram.mle": {"tries": "3"}}}): "is damaged",
    json.dumps({"lmtutor progress": 1}): "is damaged",
}


@pytest.mark.parametrize("content", FOREIGN)
def test_a_file_that_holds_no_progress_is_refused_in_one_sentence(content, tmp_path):
    lm.check("ngram.mle", reference("ngram.mle"))
    before = progress_file.file().read_bytes()
    file = tmp_path / "other.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(lm.CourseError, match=FOREIGN[content]) as error:
        lm.progress(merge=file)
    assert str(file) in str(error.value) and progress_file.file().read_bytes() == before


def test_an_export_writes_over_nothing_and_says_where_it_cannot_write(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("a diary", encoding="utf-8")
    for place, said in ((taken, "exists already"), (tmp_path / "none" / "mine.json", "No such file"), (tmp_path, ".")):
        with pytest.raises(lm.CourseError, match=said):
            lm.progress(export=place)
    with pytest.raises(lm.CourseError, match="cannot be read"):
        lm.progress(merge=tmp_path / "none.json")
    assert taken.read_text(encoding="utf-8") == "a diary"


def test_the_progress_file_is_plain_json():
    lm.check("ngram.mle", reference("ngram.mle"))
    assert list(json.loads(progress_file.file().read_text(encoding="utf-8"))) == ["ngram.mle"]


# --- in the notebooks -------------------------------------------------------------------------------------------------


NOTEBOOKS = notebooks()
STUBS = [
    pytest.param(chapter, index, id=f"{chapter} {','.join(asked_in(code))}")
    for chapter, cells in NOTEBOOKS.items()
    for index, (kind, code) in enumerate(cells)
    if kind == "code" and asked_in(code)
]


@pytest.mark.parametrize("chapter", exercises.CHAPTERS)
def test_a_chapter_s_notebook_asks_each_of_its_exercises_once_and_in_their_order(chapter):
    assert chapter in NOTEBOOKS, f"{chapter} has exercises but no notebook in {CHAPTERS}"
    asked = [name for kind, code in NOTEBOOKS[chapter] if kind == "code" for name in asked_in(code)]
    assert asked == exercises.all_names(chapter)


@pytest.mark.parametrize(("chapter", "index"), STUBS)
def test_a_stub_of_a_notebook_as_it_stands_is_not_tried_yet(chapter, index, capsys):
    cells = NOTEBOOKS[chapter]
    namespace = imports_of(cells)
    exec(compile(ast.Module(parse(cells[index][1]), type_ignores=[]), "stub", "exec"), namespace)
    said = capsys.readouterr().out
    for name in asked_in(cells[index][1]):
        assert f"{name}: not tried yet." in said


@pytest.mark.parametrize(("chapter", "index"), STUBS)
def test_the_folded_solution_of_a_notebook_passes_in_place_of_its_stub(chapter, index, capsys):
    cells = NOTEBOOKS[chapter]
    solution = solution_after(cells, index)
    assert solution, "the next markdown cell has no <details> with Python code"
    statements, checks = [], []
    for statement in parse(cells[index][1]):
        is_check = isinstance(statement, ast.Expr) and ast.unparse(statement).startswith("lm.check(")
        (checks if is_check else statements).append(statement)
    namespace = imports_of(cells)
    program = [*statements, *parse(solution), *checks]  # defined again, a function takes the place of its stub
    exec(compile(ast.Module(program, type_ignores=[]), "solution", "exec"), namespace)
    said = capsys.readouterr().out
    for name in asked_in(cells[index][1]):
        assert f"{name}: right!" in said


def test_the_pairs_of_the_examples_are_a_counter_that_answers_0_for_what_was_never_seen():
    """Answers may use pairs[history, word] without asking first whether it is there."""
    assert isinstance(inside("ngram.mle")["cases"][0][0], Counter)
