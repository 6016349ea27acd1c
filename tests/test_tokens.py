"""Chapter 02: what its notebook builds equals the libraries, and the laws that it states hold for any input."""

import itertools
import json
import math
import random
from collections import Counter
from functools import cache

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_code import definitions
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from lmtutor import batches, text
from lmtutor.data import bpe
from lmtutor.exercises import tokens as exercises
from lmtutor.models import embeddings
from lmtutor.runtime import CourseError

WORDS = st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=12)  # ties nearly everywhere
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))  # all but lone surrogates
ENGLISH = ["The lamp isn't lit, the ferry's late.", "lamps  and\n\n ropes; the rope-maker's 12 ropes!", "a ä à 🚢"]
CHINESE = ["码头上的灯亮了，渡船还没有来。", "灯塔的灯，码头的灯！", "１２只船 and ship"]


@cache
def learn():
    """The slow trainer of the notebook, with the merge that a learner writes."""
    found = definitions("02", "learn", "count_pairs").learn
    found.__globals__["merge"] = exercises.merge
    return found


@pytest.fixture(scope="module")
def tokenizer():
    return bpe.BytePairEncoding(ENGLISH + CHINESE, 300)


def library_merges(tokenizer):
    return [tuple(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]


# --- byte-pair encoding -----------------------------------------------------------------------------------------------


@pytest.mark.proof("02", "byte-pair tokens and merges, in their order", "tokenizers BPE", "random words", exact=True)
@settings(max_examples=300, deadline=None)
@given(WORDS, st.integers(1, 60))
def test_the_simple_version_learns_the_library_s_merges_in_their_order_whatever_the_ties(words, size):
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    theirs.train_from_iterator([" ".join(words)], trainers.BpeTrainer(vocab_size=size, show_progress=False))
    tokens, merges, spelled = learn()(Counter(words), size)
    if size >= len(set("".join(words))):  # else the library keeps some of the letters only
        assert tokens == sorted(theirs.get_vocab(), key=theirs.get_vocab().get)
        assert [(tokens[left], tokens[right]) for left, right in merges] == library_merges(theirs)
        assert {w: [tokens[i] for i in ids] for w, ids in spelled.items()} == {
            w: theirs.encode(w).tokens for w in words
        }


def test_at_equal_counts_the_pair_with_the_smaller_ids_wins():
    """op and pe both 16 times; ba and ab both twice: the smaller left id, then the smaller right id."""
    ledger = {"rope": 5, "roped": 2, "hope": 3, "hoped": 6}
    for words, first in (
        (ledger, "op"),
        ({"ba": 2, "ab": 2}, "ab"),
        ({"ac": 2, "ab": 2}, "ab"),
        ({"ab": 1, "ba": 2}, "ba"),
    ):
        letters = len(set("".join(words)))
        assert learn()(words, letters + 1)[0][letters:] == [first]


@pytest.mark.proof("02", "the trainer of a dozen lines, on bytes", "lmtutor.data.bpe", "any Unicode text", exact=True)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab ,灯塔é", max_size=30), max_size=5), st.integers(256, 290))
def test_the_simple_version_and_the_package_s_learn_the_same_from_bytes(texts, size):
    pieces = Counter(piece for string in texts for piece in bpe.pieces(string))
    shown = {"".join(bpe.VISIBLE[byte] for byte in piece.encode()): count for piece, count in pieces.items()}
    tokens, merges, _ = learn()(shown, size, bpe.VISIBLE.values())
    ours, theirs = bpe.learn(pieces, size)
    assert tokens == ["".join(bpe.VISIBLE[byte] for byte in token) for token in ours] and merges == theirs


@pytest.mark.proof("02", "byte-level merges and ids", "tokenizers ByteLevel BPE", "any Unicode text", exact=True)
@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(UNICODE, st.text("ab ,灯塔", max_size=30)), max_size=6), st.integers(256, 330), UNICODE)
def test_byte_level_merges_and_ids_are_the_library_s_for_any_text(texts, size, new):
    ours, theirs = bpe.BytePairEncoding(texts, size), text.byte_level_bpe(texts, size)
    written = ["".join(bpe.VISIBLE[byte] for byte in token) for token in ours.tokens]
    assert written == sorted(theirs.get_vocab(), key=theirs.get_vocab().get)
    assert [(written[left], written[right]) for left, right in ours.merges] == library_merges(theirs)
    for string in (*texts, new):
        assert ours.encode(string) == theirs.encode(string).ids


@pytest.mark.proof("02", "byte-level ids", "tokenizers ByteLevel BPE", "English and Chinese", exact=True)
@pytest.mark.parametrize("texts", [ENGLISH, CHINESE, ENGLISH + CHINESE], ids=["English", "Chinese", "both"])
def test_bpe_equals_the_library_on_english_and_on_chinese(texts):
    ours, theirs = bpe.BytePairEncoding(texts, 400), text.byte_level_bpe(texts, 400)
    assert [ours.encode(t) for t in ENGLISH + CHINESE] == [theirs.encode(t).ids for t in ENGLISH + CHINESE]
    assert len(ours.merges) > 20


@pytest.mark.proof("02", "decoded ids", "the text that was encoded", "any Unicode text", exact=True)
@given(UNICODE)
def test_any_unicode_text_comes_back_unchanged(tokenizer, string):
    assert tokenizer.decode(tokenizer.encode(string)) == string
    for num_merges in (0, 7):
        ids = tokenizer.encode(string, num_merges)
        assert tokenizer.decode(ids) == string
    assert len(tokenizer.encode(string, 0)) == len(string.encode())


@given(st.text(), st.characters(categories=["Cs"]), st.text())
def test_a_lone_surrogate_is_told_in_one_sentence_with_its_place(tokenizer, before, surrogate, after):
    before = "".join(c for c in before if not "\ud800" <= c <= "\udfff")
    with pytest.raises(CourseError, match=f"Code point {len(before)} of the text, U\\+{ord(surrogate):04X}, is a lone"):
        tokenizer.encode(before + surrogate + after)


@given(st.lists(st.integers(0, 299)))
def test_any_ids_decode_to_some_text(tokenizer, ids):
    assert isinstance(tokenizer.decode([i % len(tokenizer.tokens) for i in ids]), str)


@pytest.mark.proof("02", "pieces before merging", "tokenizers ByteLevel (GPT-2)", "any Unicode text", exact=True)
@given(UNICODE)
def test_pieces_are_those_of_gpt2_and_join_to_the_text(string):
    assert "".join(bpe.pieces(string)) == string
    theirs = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(string)
    shown = ["".join(bpe.VISIBLE[byte] for byte in piece.encode()) for piece in bpe.pieces(string)]
    assert shown == [piece for piece, _ in theirs]


def test_the_package_s_tokenizer_keeps_any_text_and_puts_special_tokens_first():
    tokenizer = text.byte_level_bpe(ENGLISH, 300, special_tokens=["<pad>", "</s>"])
    assert tokenizer.token_to_id("<pad>") == 0 and tokenizer.token_to_id("</s>") == 1
    assert tokenizer.get_vocab_size() == 300
    for string in (*ENGLISH, *CHINESE, ""):
        assert tokenizer.decode(tokenizer.encode(string).ids) == string


def test_a_byte_level_vocabulary_has_room_for_all_bytes():
    with pytest.raises(CourseError, match="at least 257 entries, not 256"):
        text.byte_level_bpe(ENGLISH, 256, special_tokens=["<pad>"])


def test_encoding_asks_for_ranks_about_as_often_as_the_piece_is_long():
    """Not as often as the square of its length: a text without blanks is one piece."""
    asked = []

    class Counted(dict):
        def get(self, pair, otherwise=None):
            asked.append(pair)
            return dict.get(self, pair, otherwise)

    tokenizer = bpe.BytePairEncoding(ENGLISH + CHINESE, 300)
    tokenizer.ranks = Counted(tokenizer.ranks)
    counts, rng = [], random.Random(0)
    for length in (2_000, 4_000):
        asked.clear()
        piece = "".join(rng.choice("theandlamp") for _ in range(length))
        assert tokenizer.decode(tokenizer.encode_piece(piece, len(tokenizer.merges))) == piece
        counts.append(len(asked))
    assert counts[1] < 2.3 * counts[0] and counts[1] < 8 * 4_000


@given(st.text(alphabet="abc", max_size=40), st.integers(0, 30))
def test_merging_with_a_heap_gives_what_searching_all_pairs_gives(piece, limit):
    words = Counter(["abcabc", "aaab", "cabac", "bbbb"])
    tokens, merges = bpe.learn(words, 256 + 30)
    ids, ranks = {token: i for i, token in enumerate(tokens)}, {pair: rank for rank, pair in enumerate(merges[:limit])}
    start = [ids[bytes([byte])] for byte in piece.encode()]
    found = list(start)
    while pairs := [pair for pair in itertools.pairwise(found) if pair in ranks]:
        lowest = min(pairs, key=ranks.get)
        at, kept = 0, []
        while at < len(found):
            hit = tuple(found[at : at + 2]) == lowest
            kept.append(ids[tokens[lowest[0]] + tokens[lowest[1]]] if hit else found[at])
            at += 1 + hit
        found = kept
    assert bpe.merge_by_rank(start, ranks.get, lambda pair: ids[tokens[pair[0]] + tokens[pair[1]]]) == found


@pytest.mark.proof(
    "02", "ids by the exercise's encode, and back", "the package's BytePairEncoding", "any text", exact=True
)
@given(st.text("abc 灯é", max_size=30), st.lists(st.text("abc 灯é", max_size=20), max_size=4))
def test_the_tokenizer_of_the_exercise_cuts_as_the_package_s_does(string, texts):
    """On pieces: the exercise has none. Ids are compared by the bytes that they stand for."""
    own = bpe.BytePairEncoding(texts, 290)
    tokens, number = (
        [bytes([byte]) for byte in range(256)],
        {token: byte for byte, token in enumerate(own.tokens[:256])},
    )
    merges = []
    for left, right in own.merges:
        at = [tokens.index(own.tokens[side]) for side in (left, right)]
        merges.append(tuple(at))
        tokens.append(own.tokens[left] + own.tokens[right])
    if len(set(tokens)) < len(tokens):
        return  # the same bytes were made in two ways, and here they would have two ids
    assert len(number) == 256
    ids = [i for piece in bpe.pieces(string) for i in exercises.encode(piece, merges)]
    assert [tokens[i] for i in ids] == [own.tokens[i] for i in own.encode(string)]
    assert exercises.decode(ids, merges) == string == exercises.decode(exercises.encode(string, merges), merges)


# --- embeddings and vectors -------------------------------------------------------------------------------------------


@pytest.mark.proof("02", "PPMI, sparse", "the definition, in a loop", "random counts")
def test_ppmi_equals_a_plain_loop_and_the_exercise():
    counts = np.random.default_rng(0).integers(0, 4, size=(7, 7)).astype(float)
    counts[0, 0] = 5
    ours = embeddings.sparse_pmi(scipy.sparse.csr_array(counts)).maximum(0).toarray()
    total, expected = counts.sum(), np.zeros_like(counts)
    for i in range(7):
        for j in range(7):
            if counts[i, j]:
                ratio = counts[i, j] * total / (counts[i].sum() * counts[:, j].sum())
                expected[i, j] = max(0.0, math.log(ratio))
    assert np.allclose(ours, expected, atol=1e-12)
    assert np.allclose(exercises.ppmi(counts.tolist()), expected, atol=1e-12)


def test_pmi_is_0_for_independent_words():
    counts = scipy.sparse.csr_array(np.outer([1.0, 2.0, 3.0], [4.0, 1.0, 2.0]))
    assert np.allclose(embeddings.sparse_pmi(counts).toarray(), 0, atol=1e-12)


def test_cooccurrences_are_symmetric_and_counted_within_the_window_and_the_sentence():
    sentences = [["a", "b", "c", "d"], ["a", "b", "rare"]]
    vocabulary = text.Vocabulary([["a", "b", "c", "d"]])
    at = vocabulary.ids
    for window, pairs in ((1, {"ab": 2, "bc": 1, "cd": 1}), (2, {"ab": 2, "bc": 1, "cd": 1, "ac": 1, "bd": 1})):
        matrix = embeddings.cooccurrences(sentences, vocabulary, window).toarray()
        expected = np.zeros_like(matrix)
        for (first, second), count in pairs.items():
            expected[at[first], at[second]] = expected[at[second], at[first]] = count
        assert np.array_equal(matrix, expected)


@pytest.mark.proof("02", "vectors by sparse SVD, cosines", "numpy.linalg.svd", "random sparse matrix")
def test_sparse_svd_vectors_have_the_cosines_of_numpy_s():
    matrix = np.random.default_rng(0).random((30, 30)) * (np.random.default_rng(1).random((30, 30)) > 0.6)
    ours = embeddings.svd_vectors(scipy.sparse.csr_array(matrix), 8)
    u, s, _ = np.linalg.svd(matrix)
    theirs = embeddings.unit(u[:, :8] * np.sqrt(s[:8]))
    assert np.allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-8)


@pytest.mark.proof(
    "02", "PMI, mutual information", "nltk BigramAssocMeasures, sklearn mutual_info_score", "random counts"
)
def test_pmi_is_nltk_s_and_its_mean_scikit_learn_s_mutual_information():
    from nltk.metrics import BigramAssocMeasures
    from sklearn.metrics import mutual_info_score

    counts = np.random.default_rng(0).integers(0, 4, size=(8, 8))
    counts += counts.T  # symmetric, as neighbours are
    matrix = scipy.sparse.csr_array(counts.astype(float))
    pmi, margin = embeddings.sparse_pmi(matrix).toarray(), counts.sum(axis=1)
    for i, j in np.argwhere(counts):
        pair = (int(counts[i, j]), (int(margin[i]), int(margin[j])), int(counts.sum()))
        assert math.isclose(pmi[i, j] / math.log(2), BigramAssocMeasures.pmi(*pair), abs_tol=1e-12)
    mean = (counts * pmi).sum() / counts.sum()
    assert math.isclose(mean, mutual_info_score(None, None, contingency=counts), abs_tol=1e-12)


@pytest.mark.proof(
    "02", "singular values of SciPy's svds, and what is lost without the rest", "numpy.linalg.svd", "random matrix"
)
def test_the_first_singular_values_are_numpy_s_and_what_is_lost_are_the_squares_of_the_others():
    matrix = np.random.default_rng(2).random((40, 40)) * (np.random.default_rng(3).random((40, 40)) > 0.7)
    u, s, v = scipy.sparse.linalg.svds(scipy.sparse.csr_array(matrix), k=10, random_state=0)
    expected = np.linalg.svd(matrix)[1]
    assert np.allclose(s[::-1], expected[:10], atol=1e-10)
    assert math.isclose(np.linalg.norm(matrix - (u * s) @ v) ** 2, (expected[10:] ** 2).sum(), rel_tol=1e-10)


@pytest.mark.proof("02", "mean of the vectors, masked", "nn.EmbeddingBag", "padded random ids")
def test_the_masked_mean_is_that_of_an_embedding_bag():
    mean_masked = definitions("02", "mean_masked").mean_masked
    torch.manual_seed(0)
    layer = mean_masked.__globals__["layer"] = torch.nn.Embedding(20, 5, dtype=torch.float64)
    texts = [[3, 4, 5], [6], [7, 8, 9, 10, 11]]
    bag = torch.nn.EmbeddingBag(20, 5, dtype=torch.float64, _weight=layer.weight.detach())
    theirs = bag(torch.tensor(sum(texts, [])), torch.tensor([0, 3, 4]))
    torch.testing.assert_close(mean_masked(batches.pad(texts)), theirs, rtol=0, atol=1e-14)


@pytest.mark.proof("02", "Spearman's correlation", "scipy.stats.spearmanr", "any pairs, ties included")
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=30))
def test_spearman_equals_scipy_s_with_ties(pairs):
    from scipy.stats import spearmanr

    first, second = (list(map(float, side)) for side in zip(*pairs, strict=True))
    if len(set(first)) > 1 and len(set(second)) > 1:
        assert math.isclose(exercises.spearman(first, second), spearmanr(first, second).statistic, abs_tol=1e-12)


@pytest.mark.proof("02", "gradient of a look-up", "nn.Embedding, autograd", "random ids")
def test_the_gradient_of_a_look_up_is_torch_s():
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Embedding(9, 4, dtype=torch.float64)
    ids = torch.randint(9, (20,), generator=generator)
    upstream = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    (layer(ids) * upstream).sum().backward()
    ours = exercises.lookup_gradient(ids.tolist(), upstream.tolist(), 9)
    assert np.allclose(ours, layer.weight.grad.numpy(), atol=1e-14)


@pytest.mark.proof("02", "UTF-8 by hand", "str.encode", "every code point", exact=True)
def test_utf8_is_python_s_for_every_code_point():
    points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    assert b"".join(bytes(exercises.utf8(c)) for c in points) == "".join(map(chr, points)).encode()


# --- word2vec ---------------------------------------------------------------------------------------------------------


@pytest.mark.proof(
    "02", "one update of skip-gram with negative sampling", "torch.optim.SGD, autograd", "random vectors"
)
@pytest.mark.parametrize("seed", range(5))
def test_the_update_by_hand_is_a_step_of_torch_s_gradient_descent(seed):
    generator = torch.Generator().manual_seed(seed)
    word, context, noise = (
        torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in ((6,), (6,), (4, 6))
    )
    before = [values.detach().tolist() for values in (word, context, noise)]
    optimizer = torch.optim.SGD([word, context, noise], lr=0.3)
    sigmoid = torch.nn.functional.logsigmoid
    (-sigmoid(word @ context) - sigmoid(-noise @ word).sum()).backward()
    optimizer.step()
    for ours, theirs in zip(exercises.sgns_step(*before, 0.3), (word, context, noise), strict=True):
        assert np.allclose(ours, theirs.detach().numpy(), atol=1e-14)


@pytest.mark.proof("02", "the optimum of skip-gram with negative sampling", "PMI - ln k", "random counts, full rank")
@pytest.mark.parametrize("negatives", [1, 5])
def test_skip_gram_trained_to_its_optimum_gives_pmi_minus_ln_k(negatives):
    rng = np.random.default_rng(negatives)
    joint = rng.integers(5, 30, size=(8, 8)).astype(float)
    joint /= joint.sum()
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    words, contexts = rng.normal(size=(2, 8, 8)) * 0.3
    for _ in range(40_000):
        s = 1 / (1 + np.exp(-words @ contexts.T))
        error = -joint * (1 - s) + negatives * independent * s
        words, contexts = words - 5 * error @ contexts, contexts - 5 * error.T @ words
    assert np.allclose(words @ contexts.T, np.log(joint / independent) - math.log(negatives), atol=1e-6)


def test_skip_gram_learns_which_words_take_the_same_places(capsys):
    rng = np.random.default_rng(0)
    said = [["the", rng.choice(["cat", "dog"]), rng.choice(["sat", "ran"]), "down"] for _ in range(400)]
    said += [["a", rng.choice(["rope", "net"]), rng.choice(["lay", "hung"]), "there"] for _ in range(400)]
    vocabulary = text.Vocabulary(said)
    counts = embeddings.cooccurrences(said, vocabulary, window=1)
    for seed in range(3):
        vectors = embeddings.skip_gram(counts, 8, 5, 10, 64, 0.02, rare=1.0, seed=seed)
        cosine = {
            pair: float(np.prod([vectors[vocabulary.ids[w]] for w in pair.split()], axis=0).sum())
            for pair in ("cat dog", "cat rope", "rope net", "sat hung", "sat ran")
        }
        assert cosine["cat dog"] > cosine["cat rope"] + 0.3 and cosine["sat ran"] > cosine["sat hung"] + 0.3
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5) or vectors.shape == (len(vocabulary), 8)
    assert capsys.readouterr().out.count("pass") == 30


def test_neighbours_of_a_kind_are_counted():
    vocabulary = text.Vocabulary([["red", "blue", "monday", "friday"]])
    kinds = embeddings.kinds_in(vocabulary)
    assert kinds == {"red": "colour", "blue": "colour", "monday": "day", "friday": "day"}
    assert math.isclose(embeddings.by_chance(kinds), 1 / 3)
    vectors = np.zeros((len(vocabulary), 2))
    vectors[vocabulary.encode(["red", "blue", "monday", "friday"])] = [[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]]
    assert embeddings.same_kind(vectors, vocabulary, kinds) == 1.0
    assert embeddings.same_kind(scipy.sparse.csr_array(vectors), vocabulary, kinds) == 1.0
    vectors[vocabulary.encode(["blue", "monday"])] = [[0, 1], [0.9, 0.1]]
    assert embeddings.same_kind(vectors, vocabulary, kinds) == 0.0


# --- padding ----------------------------------------------------------------------------------------------------------

SEQUENCES = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=9), min_size=1, max_size=9)


@pytest.mark.proof("02", "batches.pad", "torch pad_sequence", "any sequences", exact=True)
@given(SEQUENCES)
def test_padding_equals_torch_s_and_the_mask_gives_the_sequences_back(sequences):
    batch = batches.pad(sequences)
    theirs = torch.nn.utils.rnn.pad_sequence([torch.tensor(s) for s in sequences], batch_first=True)
    assert torch.equal(batch["input_ids"], theirs)
    rows = zip(batch["input_ids"], batch["attention_mask"].bool(), strict=True)
    assert [ids[mask].tolist() for ids, mask in rows] == sequences


@pytest.mark.proof("02", "batches.pad, cut", "keras pad_sequences", "any sequences", exact=True)
@given(SEQUENCES, st.integers(1, 5))
def test_padding_equals_keras_s_that_cuts_and_fills_at_the_end(sequences, length):
    keras = pytest.importorskip("keras")
    longest = max(min(length, len(s)) for s in sequences)
    theirs = keras.utils.pad_sequences(sequences, maxlen=longest, padding="post", truncating="post")
    assert np.array_equal(batches.pad(sequences, max_length=length)["input_ids"].numpy(), theirs)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=200), st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_batches_by_length_hold_each_example_once_and_their_waste_is_what_is_counted(lengths, size, pool, seed):
    found = batches.by_length(lengths, size, seed=seed, pool=pool)
    assert sorted(index for batch in found for index in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in found)
    padded = [batches.pad([[1] * lengths[index] for index in batch])["attention_mask"] for batch in found]
    zeros, places = (sum(map(f, padded)) for f in (lambda mask: int((mask == 0).sum()), torch.numel))
    assert math.isclose(batches.padding_share(lengths, found), zeros / places, abs_tol=1e-12)


@pytest.mark.parametrize(("batch_size", "pool"), [(0, 1), (1, 0)])
def test_batches_of_nothing_are_refused(batch_size, pool):
    with pytest.raises(CourseError, match="must be at least 1"):
        batches.by_length([3, 4], batch_size, pool=pool)
