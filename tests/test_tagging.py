"""Tags, pieces of words, legal sequences: equal to seqeval and to trying all; and what cannot be written down."""

import itertools
import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2
from transformers import AutoTokenizer, BertConfig, BertForQuestionAnswering, BertForTokenClassification

from lmtutor import extraction, metrics, pretrained, tagging, training
from lmtutor.data.batches import IGNORED, pad
from lmtutor.data.text import wordpiece
from lmtutor.models import bert, tagger
from lmtutor.runtime import CourseError
from lmtutor.tasks.tagging import Span

TAGS = ["O", "B-X", "I-X", "B-Y", "I-Y"]


@st.composite
def spans(draw):
    """Spans that do not overlap, and the length of their text."""
    length, at, found = draw(st.integers(0, 12)), 0, []
    while at < length:
        end = draw(st.integers(at + 1, length))
        if draw(st.booleans()):
            found.append(Span(at, end, draw(st.sampled_from("XYZ"))))
        at = end
    return found, length


@pytest.mark.proof("11", "spans of the tags of spans", "the spans", "any spans", exact=True)
@given(spans())
@settings(deadline=None)
def test_spans_to_tags_and_back_are_the_same(case):
    found, length = case
    tags = tagging.tags_of(found, length)
    assert len(tags) == length
    assert tagging.spans_of(tags) == tagging.spans_of(tags, strict=True) == found
    assert all(tagging.may_follow(tag, before) for before, tag in itertools.pairwise(["O", *tags]))


@pytest.mark.proof("11", "entity precision, recall, F1", "seqeval", "random tags, malformed ones included")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_scores_of_any_tags_are_those_of_seqeval(seed, strict):
    """Malformed ones, too: I- at the beginning, behind O, behind another type."""
    rng = random.Random(seed)
    lengths = [rng.randint(1, 9) for _ in range(rng.randint(1, 8))]
    truth, said = ([[rng.choice(TAGS) for _ in range(n)] for n in lengths] for _ in range(2))
    options = {"mode": "strict", "scheme": IOB2} if strict else {}
    theirs = [f(truth, said, zero_division=0, **options) for f in (precision_score, recall_score, f1_score)]
    assert tagging.entity_scores(truth, said, strict)["all"] == pytest.approx(theirs)


def test_malformed_tags_begin_a_name_or_are_left_out():
    tags = ["I-X", "O", "B-X", "I-Y", "I-X"]
    assert tagging.spans_of(tags) == [(0, 1, "X"), (2, 3, "X"), (3, 4, "Y"), (4, 5, "X")]
    assert tagging.spans_of(tags, strict=True) == [(2, 3, "X")]


@pytest.mark.parametrize("tag", ["X", "b-X", "B-", "E-X", "", "O-X"])
def test_a_tag_that_is_none_is_told(tag):
    with pytest.raises(CourseError, match="Tag 1 is"):
        tagging.spans_of(["O", tag])


@pytest.mark.parametrize(
    ("given", "said"),
    [([(0, 5, "X")], "does not lie"), ([(2, 2, "X")], "does not lie"), ([(0, 2, "X"), (1, 3, "Y")], "overlaps")],
)
def test_spans_that_bio_cannot_write_are_told(given, said):
    with pytest.raises(CourseError, match=said):
        tagging.tags_of(given, 4)


def test_scores_want_the_same_texts():
    with pytest.raises(CourseError, match="same texts"):
        tagging.entity_scores([["O"]], [["O", "O"]])


def test_scores_without_any_name_are_zero():
    assert tagging.entity_scores([["O"]], [["O"]]) == {"all": (0.0, 0.0, 0.0)}


@pytest.mark.proof("11", "Viterbi search", "trying all legal sequences", "random scores", exact=True)
@pytest.mark.parametrize("seed", range(20))
def test_the_best_legal_sequence_is_the_best_of_all_legal_ones(seed):
    scores = np.random.default_rng(seed).normal(size=(seed % 5 + 1, len(TAGS)))
    best, found = -math.inf, None
    for tags in itertools.product(TAGS, repeat=len(scores)):
        if all(tagging.may_follow(tag, before) for before, tag in itertools.pairwise(("O", *tags))):
            total = sum(row[TAGS.index(tag)] for row, tag in zip(scores, tags, strict=True))
            best, found = max((best, found), (total, list(tags)), key=lambda pair: pair[0])
    assert tagging.best_legal(scores, TAGS) == found


@given(st.lists(st.lists(st.sampled_from([0.0, -1.0, -np.inf, np.inf]), min_size=5, max_size=5), max_size=6))
def test_with_infinite_scores_the_sequence_is_still_legal_and_is_the_best(rows):
    """-inf is the logarithm of a probability of 0; of sequences without +inf or -inf the best is found as ever."""
    found = tagging.best_legal(np.array(rows).reshape(-1, 5), TAGS)
    assert all(tagging.may_follow(tag, before) for before, tag in zip(["O", *found], found, strict=False))

    def worth(sequence):  # how many +inf more than -inf, then the rest
        scores = [row[TAGS.index(tag)] for row, tag in zip(rows, sequence, strict=True)]
        return scores.count(np.inf) - scores.count(-np.inf), sum(s for s in scores if np.isfinite(s))

    legal = [
        sequence
        for sequence in itertools.product(TAGS, repeat=min(len(rows), 4))
        if all(tagging.may_follow(tag, before) for before, tag in zip(("O", *sequence), sequence, strict=False))
    ]
    if len(rows) <= 4:
        best, own = max(map(worth, legal)), worth(found)
        assert own[0] == best[0] and (best[0] != 0 or own[1] == best[1])


@pytest.mark.parametrize(
    ("scores", "tags"), [([[0, np.nan]], ["O", "B-X"]), ([[0, 1]], ["B-X", "I-X"]), ([[0, 1, 2]], ["O", "B-X"])]
)
def test_scores_without_a_best_sequence_are_told(scores, tags):
    with pytest.raises(CourseError, match="Each place needs a score of each of"):
        tagging.best_legal(np.array(scores), tags)


def test_nothing_has_no_tags():
    assert tagging.best_legal(np.zeros((0, 5)), TAGS) == []


def test_only_the_first_piece_of_a_word_has_its_label():
    tokenizer = AutoTokenizer.from_pretrained(pretrained.folder("mini_bert"))
    text, words = "The Maid of Ambleton sank.", ["The", "Maid", "of", "Ambleton", "sank", "."]
    ids, offsets, places = extraction.encode_words(tokenizer, [text], [words])
    labels = tagging.label_pieces(offsets[0], places[0], [1, 2, 3, 4, 5, 6])
    assert len(labels) == len(ids[0]) > len(words) + 2  # Ambleton falls to pieces
    assert [label for label in labels if label != IGNORED] == [1, 2, 3, 4, 5, 6]
    assert labels[0] == labels[-1] == IGNORED  # [CLS], [SEP]
    first = tagging.first_pieces(offsets[0], places[0])
    assert [labels[i] for i in first] == [1, 2, 3, 4, 5, 6]


def test_a_word_that_the_tokenizer_leaves_out_gets_no_piece_and_the_tag_o():
    tokenizer = AutoTokenizer.from_pretrained(pretrained.folder("mini_bert"))
    ids, offsets, places = extraction.encode_words(tokenizer, ["a \ufffd b"], [["a", "\ufffd", "b"]])
    assert tagging.first_pieces(offsets[0], places[0])[1] is None
    model = tagger.BertTagger(bert.load(pretrained.folder("mini_bert")), TAGS)
    assert extraction.predict_tags(model, ids, offsets, places)[0][1] == "O"


def test_places_and_spans_that_do_not_fit_are_told():
    with pytest.raises(CourseError, match="'c' does not stand"):
        tagging.places_of("a b", ["a", "c"])
    with pytest.raises(CourseError, match="begin and end where words do"):
        tagging.word_spans([Span(0, 2, "X")], [(0, 3)])
    with pytest.raises(CourseError, match="within one sentence"):
        tagging.split("One. Two.", [{"start": 0, "end": 8, "type": "X"}])


# --- models -----------------------------------------------------------------------------------------------------------


def tiny(**options):
    torch.manual_seed(0)
    return bert.Bert(50, hidden_size=16, num_heads=2, num_layers=2, max_length=12, **options).double().eval()


def config(labels: int) -> BertConfig:
    return BertConfig(
        vocab_size=50, hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=64,
        max_position_embeddings=12, num_labels=labels, attn_implementation="eager",
    )  # fmt: skip


def copied(theirs, labels):
    """Our tagger with their weights."""
    ours = tagger.BertTagger(tiny(), labels).double().eval()
    state = theirs.state_dict()
    head = "classifier" if "classifier.weight" in state else "qa_outputs"
    named = {bert.their_name(name): p for name, p in ours.bert.named_parameters() if not name.startswith("pooler")}
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(state[f"bert.{name}"])
        ours.classifier.weight.copy_(state[f"{head}.weight"])
        ours.classifier.bias.copy_(state[f"{head}.bias"])
    return ours


def batch():
    torch.manual_seed(1)
    ids = [torch.randint(1, 50, (n,)).tolist() for n in (7, 3, 10)]
    return pad(ids)


@pytest.mark.proof("11", "Tagger", "transformers BertForTokenClassification", "padded texts")
def test_the_tagger_equals_transformers():
    torch.manual_seed(2)
    theirs = BertForTokenClassification(config(5)).double().eval()
    read = batch()
    labels = torch.randint(5, read["input_ids"].shape).masked_fill(read["attention_mask"] == 0, IGNORED)
    ours = copied(theirs, TAGS)
    with torch.no_grad():
        wanted = theirs(**read, labels=labels)
        logits = ours(read["input_ids"], read["attention_mask"])
        loss, count = tagger.loss(ours, {**read, "labels": labels})
    real = read["attention_mask"].bool()
    metrics.agree(logits[real], wanted.logits[real], within=1e-9)
    assert loss.item() == pytest.approx(wanted.loss.item(), abs=1e-6) and count == real.sum()


@pytest.mark.proof("11", "pointers to an answer", "transformers BertForQuestionAnswering", "padded pairs")
def test_the_pointers_equal_transformers():
    torch.manual_seed(3)
    theirs = BertForQuestionAnswering(config(2)).double().eval()
    read, spans = batch(), torch.tensor([[1, 3], [0, 0], [4, 9]])
    ours = copied(theirs, ("start", "end"))
    alone = {name: tensor[2:] for name, tensor in read.items()}  # transformers' loss does not leave padding out
    with torch.no_grad():
        wanted = theirs(**read)
        logits = ours(read["input_ids"], read["attention_mask"])
        loss = theirs(**alone, start_positions=spans[2:, 0], end_positions=spans[2:, 1]).loss
        own = tagger.pointer_loss(ours(**alone), alone["attention_mask"], spans[2:])
    real = read["attention_mask"].bool()
    metrics.agree(logits[..., 0][real], wanted.start_logits[real], within=1e-9)
    metrics.agree(logits[..., 1][real], wanted.end_logits[real], within=1e-9)
    assert own.item() == pytest.approx(loss.item(), abs=1e-6)


def test_padding_changes_nothing():
    read = batch()
    for model in (tagger.BertTagger(tiny(), TAGS), tagger.LSTMTagger(50, TAGS)):
        model = model.double().eval()
        changed = {**read, "input_ids": read["input_ids"].masked_fill(read["attention_mask"] == 0, 7)}
        with torch.no_grad():
            first, second = model(**read), model(**changed)
        real = read["attention_mask"].bool()
        metrics.agree(first[real], second[real], within=1e-9)


def test_logits_come_in_the_order_of_the_texts_without_padding():
    model = tagger.BertTagger(tiny(), TAGS).double()
    texts = [[1, 2, 3], [4], [5, 6]]
    found = tagger.logits(model, texts, batch_size=2)
    assert [len(one) for one in found] == [3, 1, 2]
    alone = [tagger.logits(model, [one])[0] for one in texts]
    for one, same in zip(found, alone, strict=True):
        metrics.agree(one, same, within=1e-9)
    assert model.training


def test_a_tagger_from_nothing_wants_tokens_and_keeps_common_padding():
    """A batch may be padded further than its longest text."""
    model = tagger.LSTMTagger(9, TAGS, dropout=0.0)
    ids, mask = torch.tensor([[3, 4, 0, 0], [5, 0, 0, 0]]), torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0]])
    assert model(ids, mask).shape == (2, 4, 5)
    torch.testing.assert_close(model(ids, mask)[:, :2], model(ids[:, :2], mask[:, :2]))
    with pytest.raises(CourseError, match="A text of the batch has no tokens"):
        model(ids, torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_means_over_spans_far_in_a_long_text_are_right_in_half_precision(dtype):
    hidden = 1 + torch.rand(1, 500, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
    means = tagger.span_means(hidden, torch.tensor([0]), torch.tensor([480]), torch.tensor([482]))
    assert means.dtype == dtype
    torch.testing.assert_close(means[0].double(), hidden[0, 480:482].double().mean(0), rtol=1e-2, atol=0)


@pytest.mark.proof("11", "means over spans, all at once", "one by one", "random vectors")
def test_means_over_spans_are_means_over_spans():
    torch.manual_seed(0)
    hidden = torch.randn(3, 9, 4, dtype=torch.float64)
    cases = [(0, 0, 1), (1, 2, 9), (2, 8, 9), (0, 3, 5)]
    found = tagger.span_means(hidden, *(torch.tensor(column) for column in zip(*cases, strict=True)))
    wanted = torch.stack([hidden[row, a:b].mean(0) for row, a, b in cases])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)


def test_pairs_are_those_of_the_allowed_types_and_know_their_relation():
    text = "Ann has the Swift. The Swift left Lynd."
    entities = [
        {"start": 0, "end": 3, "type": "PERSON"},
        {"start": 12, "end": 17, "type": "SHIP"},
        {"start": 23, "end": 28, "type": "SHIP"},
        {"start": 34, "end": 38, "type": "PLACE"},
    ]
    related = [{"head": 0, "tail": 1, "type": "owns"}]
    allowed = {("PERSON", "SHIP"), ("SHIP", "PLACE")}
    first, second = (extraction.pairs_of(one, related, allowed) for one in tagging.split(text, entities))
    assert [(h.type, t.type, name) for h, t, name in first] == [("PERSON", "SHIP", "owns")]
    assert [(h.type, t.type, name) for h, t, name in second] == [("SHIP", "PLACE", "none")]


def test_a_tagger_and_a_relation_classifier_learn_to_fit_three_examples():
    ids, labels = [[1, 2, 3], [4, 5], [6, 7, 8]], [[0, 1, 2], [0, 3], [1, 0, 0]]
    torch.manual_seed(0)
    model = tagger.BertTagger(tiny().float(), TAGS, dropout=0.0)
    lengths = [3, 2, 3]
    training.fit_by_length(
        model, lengths, tagger.collator(ids, labels), tagger.loss, epochs=60, learning_rate=3e-3, progress=False
    )
    assert [row.argmax(-1).tolist() for row in tagger.logits(model, ids)] == labels
    places, kinds = [[(0, 1, 2, 3)], [(0, 1, 1, 2)], [(1, 2, 0, 1), (0, 1, 1, 2)]], [[0], [1], [1, 0]]
    model = tagger.RelationClassifier(tiny().float(), ("none", "owns"), dropout=0.0)
    collate = extraction.pair_collator(ids, places, kinds)
    training.fit_by_length(model, lengths, collate, extraction.pair_loss, epochs=60, learning_rate=3e-3, progress=False)
    said = extraction.predict_pairs(model, ids, places)
    assert said == [[model.labels[k] for k in one] for one in kinds]
    assert extraction.predict_pairs(model, ids, [[], [], []]) == [[], [], []]


def test_a_text_without_tokens_is_told_by_its_place_among_all():
    model = tagger.RelationClassifier(tiny().float(), ("none", "owns"))
    with pytest.raises(CourseError, match="^Text 66 has no tokens"):
        extraction.predict_pairs(model, [*[[1, 2]] * 66, []], [[]] * 67)
    with pytest.raises(CourseError, match="^Text 66 has no tokens"):
        tagger.logits(tagger.BertTagger(tiny().float(), TAGS), [*[[1, 2]] * 66, []])


def test_texts_without_a_label_or_a_pair_teach_nothing_and_disturb_nothing():
    ids, places, kinds = [[1, 2, 3], [4, 5], [6, 7, 8]], [[], [(0, 1, 1, 2)], []], [[], [1], []]
    one_by_one = {"learning_rate": 1e-3, "batch_size": 1, "progress": False, "epochs": 2, "log_every": 1}
    labels = [[IGNORED] * 3, [0, 1], [IGNORED] * 3]
    for make, collate, loss, count in (
        (tagger.BertTagger, tagger.collator(ids, labels), tagger.loss, 2),
        (tagger.RelationClassifier, extraction.pair_collator(ids, places, kinds), extraction.pair_loss, 1),
    ):
        model = make(tiny().float(), TAGS, dropout=0.0)
        history = training.fit_by_length(model, [3, 2, 3], collate, loss, validation=[[0], [1, 2]], **one_by_one)
        assert history.attrs["stopped"] == "finished"
        assert history.tokens.iloc[-1] == 2 * count
        assert history.validation_loss.notna().all()
        assert history.train_loss.notna().sum() == 2
    nothing, model = (
        tagger.collator(ids, [[IGNORED] * len(one) for one in ids]),
        tagger.BertTagger(tiny().float(), TAGS),
    )
    with pytest.raises(training.InputError, match="^There was nothing to learn in 6 steps"):
        training.fit_by_length(model, [3, 2, 3], nothing, tagger.loss, **one_by_one)


# --- what cannot be seen ----------------------------------------------------------------------------------------------

INVISIBLE = ["\u200b", "\ufeff", "\u00ad", "\u0301", "\u200d\u2060", "\x07"]


@pytest.mark.parametrize("sign", INVISIBLE)
@pytest.mark.parametrize("where", ["{sign}swift", "sw{sign}ift", "swift{sign}"])
def test_a_word_with_an_invisible_sign_keeps_its_label_and_is_tagged(sign, where):
    """The tokenizer leaves the sign out, so the word's first piece begins behind it."""
    tokenizer = wordpiece(["the swift sank in the bay"] * 3, 80, 16)
    words = ["the", where.format(sign=sign), "sank"]
    read, offsets, places = extraction.encode_words(tokenizer, [" ".join(words)], [words])
    assert tokenizer.convert_ids_to_tokens(read[0])[1:-1] == ["the", "swift", "sank"]
    assert tagging.first_pieces(offsets[0], places[0]) == [1, 2, 3]
    assert tagging.label_pieces(offsets[0], places[0], [0, 1, 2]) == [IGNORED, 0, 1, 2, IGNORED]

    class Always(torch.nn.Module):
        labels = ("O", "B-SHIP")

    model = Always()
    scores = np.array([[9, 0], [9, 0], [0, 9], [9, 0], [9, 0]], dtype=np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tagger, "logits", lambda *arguments: [scores])
        assert extraction.predict_tags(model, read, offsets, places) == [["O", "B-SHIP", "O"]]


@pytest.mark.parametrize("sign", INVISIBLE)
def test_a_word_that_is_all_invisible_has_no_piece(sign):
    tokenizer = wordpiece(["the swift sank in the bay"] * 3, 80, 16)
    _, offsets, places = extraction.encode_words(tokenizer, [f"the {sign} sank"], [["the", sign, "sank"]])
    assert tagging.first_pieces(offsets[0], places[0]) == [1, None, 2]
    with pytest.raises(CourseError, match="characters 4 to 5 of a text holds nothing visible"):
        extraction.encode_pairs(tokenizer, [f"the {sign} sank"], [[(Span(0, 3, "X"), Span(4, 5, "X"))]])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=8), st.data())
@settings(deadline=None)
def test_first_pieces_are_those_found_by_looking_at_all(gaps, data):
    places, at = [], 0
    for gap, length in gaps:
        places.append((at + gap, at + gap + length))
        at += gap + length
    cuts = sorted(data.draw(st.sets(st.integers(0, at), min_size=2)))
    offsets = [(0, 0), *itertools.pairwise(cuts), (0, 0)]
    slow = [next((i for i, (a, b) in enumerate(offsets) if b > a and start <= a < end), None) for start, end in places]
    assert tagging.first_pieces(offsets, places) == slow
