"""Near-duplicates: MinHash as datasketch has it, bands that catch what they promise, and groups."""

import random

import numpy as np
import pytest

from lmtutor import duplicates
from lmtutor.runtime import CourseError

SAID = "the ferry was late but nobody minded nine baskets of mackerel stood on a quay in rain while gulls cried"
WORDS = SAID.split()
CHINESE = "房间很干净服务员态度也好就是早餐一般下次还会再来位置方便交通便利价格不贵性比高推荐大家入住"


def texts(seed=0, count=200, words=WORDS, joint=" "):
    """Random texts, some of which are copies with one word changed."""
    draw = random.Random(seed)
    found = [draw.choices(words, k=draw.randint(8, 30)) for _ in range(count)]
    for i in range(0, count, 10):
        copy = list(found[i])
        copy[draw.randrange(len(copy))] = draw.choice(words)
        found.append(copy)
    return [joint.join(one) for one in found]


def everything(given, others=None, threshold=0.8, size=5):
    """All pairs, compared one by one."""
    sets = [duplicates.shingles(text, size) for text in given]
    other = sets if others is None else [duplicates.shingles(text, size) for text in others]
    pairs = [(i, j) for i in range(len(sets)) for j in range(len(other)) if others is not None or i < j]
    scored = [(i, j, duplicates.jaccard(sets[i], other[j])) for i, j in pairs]
    return [(i, j) for i, j, similarity in scored if similarity >= threshold]


# --- shingles ---------------------------------------------------------------------------------------------------------


def test_form_alone_makes_no_difference():
    assert duplicates.shingles("The  Ferry\nwas late ") == duplicates.shingles("the ferry was ｌate")
    assert duplicates.shingles("abc", 5) == {"abc"} and duplicates.shingles("", 5) == {""}
    assert duplicates.shingles("abcd", 3) == {"abc", "bcd"}


def test_hashes_stand_for_the_shingles_of_each_text():
    given = [*texts(count=20), "ab", "", CHINESE]
    numbers, starts = duplicates.hashed(given, 4)
    ends = np.append(starts[1:], len(numbers))
    known = {}
    for text, start, end in zip(given, starts, ends, strict=True):
        pieces = duplicates.normal(text)
        pieces = [pieces[i : i + 4] for i in range(max(1, len(pieces) - 3))]
        assert len(pieces) == end - start
        for piece, number in zip(pieces, numbers[start:end].tolist(), strict=True):
            assert known.setdefault(piece, number) == number
    assert len(set(known.values())) == len(known)


# --- MinHash ----------------------------------------------------------------------------------------------------------


@pytest.mark.proof("14", "MinHash signatures", "datasketch.MinHash", "texts, same hashes and permutations", exact=True)
def test_signatures_are_datasketch_s():
    datasketch = pytest.importorskip("datasketch", minversion="2.0")  # which permutes otherwise than versions before
    given = texts(count=50)
    numbers, starts = duplicates.hashed(given)
    maps = duplicates.permutations(64)
    ours = duplicates.signatures(numbers, starts, maps)
    ends = np.append(starts[1:], len(numbers))
    for row, start, end in zip(ours, starts, ends, strict=True):
        theirs = datasketch.MinHash(num_perm=64, hashfunc=int)
        theirs.update_batch(numbers[start:end].tolist())
        assert row.tolist() == theirs.hashvalues.tolist()


def test_minima_agree_as_often_as_the_sets_overlap():
    draw = np.random.default_rng(0)
    for similarity in (0.2, 0.5, 0.9):
        both = round(similarity * 200)
        pool = draw.choice(2**32, 200, replace=False).astype(np.uint32)
        border = both + (200 - both) // 2
        first, second = pool[:border], np.concatenate([pool[:both], pool[border:]])
        numbers, starts = np.concatenate([first, second]), np.array([0, len(first)])
        signed = duplicates.signatures(numbers, starts, duplicates.permutations(2000, seed=3))
        assert abs((signed[0] == signed[1]).mean() - similarity) < 5 * (similarity * (1 - similarity) / 2000) ** 0.5


def test_small_chunks_give_the_same_signatures(monkeypatch):
    numbers, starts = duplicates.hashed(texts(count=30))
    maps = duplicates.permutations(16)
    whole = duplicates.signatures(numbers, starts, maps)
    monkeypatch.setattr(duplicates, "CHUNK", 7)
    assert (duplicates.signatures(numbers, starts, maps) == whole).all()


# --- bands ------------------------------------------------------------------------------------------------------------


def test_bands_catch_as_often_as_the_curve_says():
    draw, bands, rows = np.random.default_rng(1), 6, 3
    for similarity in (0.3, 0.6, 0.8):
        first = draw.integers(2**32, size=(3000, bands * rows), dtype=np.uint32)
        second = np.where(draw.random(first.shape) < similarity, first, first + 1)
        pairs = duplicates.candidates(np.concatenate([first, second]), bands, rows, apart=3000)
        expected = duplicates.caught(similarity, bands, rows)
        assert abs(len(pairs) / 3000 - expected) < 5 * (expected * (1 - expected) / 3000) ** 0.5 + 1e-3
        assert ((pairs[:, 1] - pairs[:, 0]) == 3000).all()


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95, 1.0])
def test_banding_is_the_strictest_that_keeps_its_promise(threshold):
    bands, rows = duplicates.banding(threshold, 128)
    assert bands * rows <= 128 and duplicates.caught(threshold, bands, rows) >= 0.99
    assert rows == 128 or duplicates.caught(threshold, 128 // (rows + 1), rows + 1) < 0.99


@pytest.mark.parametrize(("words", "joint", "size"), [(WORDS, " ", 5), (list(CHINESE), "", 3)])
@pytest.mark.proof("14", "near-duplicates by MinHash", "all pairs compared", "English, Chinese", exact=True)
def test_what_is_found_is_what_comparing_all_finds(words, joint, size):
    given = texts(count=200, words=words, joint=joint)
    found = duplicates.near_duplicates(given, threshold=0.7, size=size)
    assert {(i, j) for i, j, _ in found} == set(everything(given, threshold=0.7, size=size)) and len(found) >= 10
    train, test = given[:150], given[150:]
    across = duplicates.near_duplicates(train, test, threshold=0.7, size=size)
    assert {(i, j) for i, j, _ in across} == set(everything(train, test, threshold=0.7, size=size))
    assert all(0.7 <= similarity <= 1 for _, _, similarity in found + across)


def test_nothing_has_no_duplicates():
    assert duplicates.near_duplicates([]) == duplicates.near_duplicates(["a"], []) == []
    assert duplicates.near_duplicates(["a"]) == []
    assert duplicates.near_duplicates(["", " ", "b"]) == [(0, 1, 1.0)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"texts": "one text"}, "list"),
        ({"texts": ["a", 3]}, "not a string"),
        ({"texts": ["a", "b"], "threshold": 0}, "above 0"),
        ({"texts": ["a", "b"], "threshold": 1.2}, "at most 1"),
        ({"texts": ["a", "b"], "threshold": 0.01, "count": 4}, "cannot catch"),
        ({"texts": ["a", "b"], "size": 0}, "at least one character"),
    ],
)
def test_what_cannot_be_searched_is_told(arguments, said):
    with pytest.raises(CourseError, match=said):
        duplicates.near_duplicates(**arguments)


# --- groups -----------------------------------------------------------------------------------------------------------


def test_groups_are_what_hangs_together():
    assert duplicates.groups([(3, 1, 0.9), (1, 4, 0.8), (5, 6)], 8).tolist() == [0, 1, 2, 1, 1, 3, 3, 4]
    assert duplicates.groups([], 3).tolist() == [0, 1, 2]
    with pytest.raises(CourseError, match="outside"):
        duplicates.groups([(0, 3)], 3)
