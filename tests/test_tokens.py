"""Chapter 02: what its notebook builds equals the libraries, and the laws that it states hold for any input."""

import itertools
import json
import math
import random
import warnings
from collections import Counter
from functools import cache

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_code import definitions
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from lmtutor import batches, text
from lmtutor.exercises import tokens as exercises
from lmtutor.runtime import CourseError

BUILT = """
    neighbours learn_simply GPT2_PIECES splitter pieces visible_bytes VISIBLE learn replace_in merge_by_rank
    BytePairEncoding check_surrogates cooccurrences sparse_pmi positive unit svd_vectors murmur3 hash_features
    OldKerasTokenizer
""".split()  # noqa: SIM905
WORDS = st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=12)  # ties nearly everywhere
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))  # all but lone surrogates
ENGLISH = ["The lamp isn't lit, the ferry's late.", "lamps  and\n\n ropes; the rope-maker's 12 ropes!", "a ä à 🚢"]
CHINESE = ["码头上的灯亮了，渡船还没有来。", "灯塔的灯，码头的灯！", "１２只船 and ship"]


@cache
def everything():
    return definitions("02", *BUILT)


@pytest.fixture(scope="module")
def built():
    return everything()


@pytest.fixture(scope="module")
def tokenizer(built):
    return built.BytePairEncoding(ENGLISH + CHINESE, 300)


def library_merges(tokenizer):
    return [tuple(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]


# --- byte-pair encoding -----------------------------------------------------------------------------------------------


@pytest.mark.proof("02", "byte-pair merges, in their order", "tokenizers BPE", "random words", exact=True)
@settings(max_examples=300, deadline=None)
@given(WORDS, st.integers(1, 60))
def test_the_simple_version_learns_the_library_s_merges_in_their_order_whatever_the_ties(words, size):
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    theirs.train_from_iterator([" ".join(words)], trainers.BpeTrainer(vocab_size=size, show_progress=False))
    merges = library_merges(theirs)
    ours, spelled = everything().learn_simply(Counter(words), len(merges))
    assert [merge[:2] for merge in ours] == merges
    assert {word: s.split() for word, s in spelled.items()} == {word: theirs.encode(word).tokens for word in words}


def test_at_equal_counts_the_pair_with_the_smaller_ids_wins(built):
    """op and pe both 16 times; ba and ab both twice: the smaller left id, then the smaller right id."""
    assert built.learn_simply({"rope": 5, "roped": 2, "hope": 3, "hoped": 6}, 1)[0] == [("o", "p", 16)]
    assert built.learn_simply({"ba": 2, "ab": 2}, 1)[0] == [("a", "b", 2)]
    assert built.learn_simply({"ac": 2, "ab": 2}, 1)[0] == [("a", "b", 2)]
    assert built.learn_simply({"ab": 1, "ba": 2}, 1)[0] == [("b", "a", 2)]


@pytest.mark.proof("02", "byte-level merges and ids", "tokenizers ByteLevel BPE", "any Unicode text", exact=True)
@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(UNICODE, st.text("ab ,灯塔", max_size=30)), max_size=6), st.integers(256, 330), UNICODE)
def test_byte_level_merges_and_ids_are_the_library_s_for_any_text(texts, size, new):
    built = everything()
    ours, theirs = built.BytePairEncoding(texts, size), text.byte_level_bpe(texts, size)
    written = ["".join(built.VISIBLE[byte] for byte in token) for token in ours.tokens]
    assert written == sorted(theirs.get_vocab(), key=theirs.get_vocab().get)
    assert [(written[left], written[right]) for left, right in ours.merges] == library_merges(theirs)
    for string in (*texts, new):
        assert ours.encode(string) == theirs.encode(string).ids


@pytest.mark.proof("02", "byte-level ids", "tokenizers ByteLevel BPE", "English and Chinese", exact=True)
@pytest.mark.parametrize("texts", [ENGLISH, CHINESE, ENGLISH + CHINESE], ids=["English", "Chinese", "both"])
def test_bpe_equals_the_library_on_english_and_on_chinese(built, texts):
    ours, theirs = built.BytePairEncoding(texts, 400), text.byte_level_bpe(texts, 400)
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
def test_pieces_are_those_of_gpt2_and_join_to_the_text(built, string):
    assert "".join(built.pieces(string)) == string
    theirs = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(string)
    shown = ["".join(built.VISIBLE[byte] for byte in piece.encode()) for piece in built.pieces(string)]
    assert shown == [piece for piece, _ in theirs]


@pytest.mark.proof("02", "tokens that the merges save", "the sum of their counts", "English", exact=True)
def test_each_merge_saves_as_many_tokens_as_its_count_unless_it_is_of_twins(built):
    words = Counter(word for string in ENGLISH for word in text.words(string))
    merges, spelled = built.learn_simply(words, 30)
    tokens = sum(len(spelled[word].split()) * count for word, count in words.items())
    assert not any(left == right for left, right, _ in merges)
    assert tokens == sum(len(word) * count for word, count in words.items()) - sum(count for *_, count in merges)


def test_the_package_s_tokenizer_keeps_any_text_and_puts_special_tokens_first():
    tokenizer = text.byte_level_bpe(ENGLISH, 300, special_tokens=["<pad>", "</s>"])
    assert tokenizer.token_to_id("<pad>") == 0 and tokenizer.token_to_id("</s>") == 1
    assert tokenizer.get_vocab_size() == 300
    for string in (*ENGLISH, *CHINESE, ""):
        assert tokenizer.decode(tokenizer.encode(string).ids) == string


def test_a_byte_level_vocabulary_has_room_for_all_bytes():
    with pytest.raises(CourseError, match="at least 257 entries, not 256"):
        text.byte_level_bpe(ENGLISH, 256, special_tokens=["<pad>"])


def test_encoding_asks_for_ranks_about_as_often_as_the_piece_is_long(built):
    """Not as often as the square of its length: a text without blanks is one piece."""
    asked = []

    class Counted(dict):
        def get(self, pair, otherwise=None):
            asked.append(pair)
            return dict.get(self, pair, otherwise)

    tokenizer = built.BytePairEncoding(ENGLISH + CHINESE, 300)
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
    built = everything()
    words = Counter(["abcabc", "aaab", "cabac", "bbbb"])
    tokens, merges = built.learn(words, 256 + 30)
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
    assert built.merge_by_rank(start, ranks.get, lambda pair: ids[tokens[pair[0]] + tokens[pair[1]]]) == found


# --- embeddings and vectors -------------------------------------------------------------------------------------------


@pytest.mark.proof("02", "PPMI, sparse", "the definition, in a loop", "random counts")
def test_ppmi_equals_a_plain_loop_and_the_exercise(built):
    counts = np.random.default_rng(0).integers(0, 4, size=(7, 7)).astype(float)
    counts[0, 0] = 5
    ours = built.positive(built.sparse_pmi(scipy.sparse.csr_array(counts))).toarray()
    total, expected = counts.sum(), np.zeros_like(counts)
    for i in range(7):
        for j in range(7):
            if counts[i, j]:
                ratio = counts[i, j] * total / (counts[i].sum() * counts[:, j].sum())
                expected[i, j] = max(0.0, math.log(ratio))
    assert np.allclose(ours, expected, atol=1e-12)
    assert np.allclose(exercises.ppmi(counts.tolist()), expected, atol=1e-12)


def test_pmi_is_0_for_independent_words(built):
    counts = scipy.sparse.csr_array(np.outer([1.0, 2.0, 3.0], [4.0, 1.0, 2.0]))
    assert np.allclose(built.sparse_pmi(counts).toarray(), 0, atol=1e-12)


def test_cooccurrences_are_symmetric_and_counted_within_the_window_and_the_sentence(built):
    sentences = [["a", "b", "c", "d"], ["a", "b", "rare"]]
    vocabulary = text.Vocabulary([["a", "b", "c", "d"]])
    at = vocabulary.ids
    for window, pairs in ((1, {"ab": 2, "bc": 1, "cd": 1}), (2, {"ab": 2, "bc": 1, "cd": 1, "ac": 1, "bd": 1})):
        matrix = built.cooccurrences(sentences, vocabulary, window).toarray()
        expected = np.zeros_like(matrix)
        for (first, second), count in pairs.items():
            expected[at[first], at[second]] = expected[at[second], at[first]] = count
        assert np.array_equal(matrix, expected)


@pytest.mark.proof("02", "vectors by sparse SVD, cosines", "numpy.linalg.svd", "random sparse matrix")
def test_sparse_svd_vectors_have_the_cosines_of_numpy_s(built):
    matrix = np.random.default_rng(0).random((30, 30)) * (np.random.default_rng(1).random((30, 30)) > 0.6)
    ours = built.svd_vectors(scipy.sparse.csr_array(matrix), 8)
    u, s, _ = np.linalg.svd(matrix)
    theirs = built.unit(u[:, :8] * np.sqrt(s[:8]))
    assert np.allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-8)


@pytest.mark.proof(
    "02", "PMI, mutual information", "nltk BigramAssocMeasures, sklearn mutual_info_score", "random counts"
)
def test_pmi_is_nltk_s_and_its_mean_scikit_learn_s_mutual_information(built):
    from nltk.metrics import BigramAssocMeasures
    from sklearn.metrics import mutual_info_score

    counts = np.random.default_rng(0).integers(0, 4, size=(8, 8))
    counts += counts.T  # symmetric, as neighbours are
    matrix = scipy.sparse.csr_array(counts.astype(float))
    pmi, margin = built.sparse_pmi(matrix).toarray(), counts.sum(axis=1)
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


# --- hashing ----------------------------------------------------------------------------------------------------------


@pytest.mark.proof("02", "MurmurHash3", "sklearn.utils.murmurhash3_32", "any bytes", exact=True)
@given(st.binary(max_size=40), st.integers(0, 2**32 - 1))
def test_murmur3_equals_scikit_learn_s(built, data, seed):
    from sklearn.utils import murmurhash3_32

    assert built.murmur3(data, seed) == murmurhash3_32(data, seed=seed)


@pytest.mark.proof("02", "hashed features", "sklearn FeatureHasher", "any words", exact=True)
@given(st.lists(st.lists(UNICODE, max_size=8), min_size=1, max_size=4), st.integers(1, 50))
def test_hashed_features_equal_scikit_learn_s(built, documents, buckets):
    from sklearn.feature_extraction import FeatureHasher

    theirs = FeatureHasher(buckets, input_type="string").transform(documents).toarray()
    assert np.array_equal(built.hash_features(documents, buckets), theirs)


def test_the_share_that_collides_is_that_of_random_buckets():
    generator = np.random.default_rng(0)
    for names, buckets in ((10, 20), (300, 100), (50, 1000)):
        shares = []
        for _ in range(400):
            used = np.bincount(generator.integers(buckets, size=names))
            shares.append(used[used > 1].sum() / names)
        assert abs(np.mean(shares) - exercises.shared_bucket(names, buckets)) < 0.02


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


# --- from the documents -----------------------------------------------------------------------------------------------


@pytest.mark.proof("02", "Tokenizer of 003's listing", "Keras 2's Tokenizer", "any text", exact=True)
@given(st.lists(st.text("abcD ,.!灯'-", max_size=25), min_size=1, max_size=5), st.text("abcD ,.!灯", max_size=25))
def test_the_old_tokenizer_is_that_of_keras_2(built, texts, new):
    """Keras 3 keeps it for old models, without offering it; where that is gone, too, there is nothing to compare."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        legacy = pytest.importorskip("keras.src.legacy.preprocessing.text")
    ours, theirs = built.OldKerasTokenizer(), legacy.Tokenizer()
    ours.fit_on_texts(texts)
    theirs.fit_on_texts(texts)
    assert ours.word_index == theirs.word_index
    assert ours.texts_to_sequences([*texts, new]) == theirs.texts_to_sequences([*texts, new])
