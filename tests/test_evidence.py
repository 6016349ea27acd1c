"""Planted evidence: what counts as evidence is what the generator says, and a ranking is scored as it should be."""

import numpy as np
import pytest
import torch

import lmtutor as lm
from lmtutor import text
from lmtutor.models.attentive import AttentiveClassifier
from lmtutor.runtime import CourseError
from lmtutor.trust import evidence


def close(ours, theirs, within):
    """The two agree; in float64."""
    ours, theirs = (torch.as_tensor(np.asarray(x.detach() if hasattr(x, "detach") else x), dtype=torch.float64)
                    for x in (ours, theirs))  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=0, atol=within)


def row(sentence, *spans):
    """A review with these opinions: (text, whether the context reverses it)."""
    found = [{"start": sentence.index(s), "end": sentence.index(s) + len(s), "negated": turned} for s, turned in spans]
    return {"text": sentence, "spans": found}


def test_opinions_and_the_negation_of_their_sentence_are_evidence():
    one = row("Not one of us had soup. The tea was not very nice. It rained.", ("nice", True))
    kinds = dict(zip([w for w, _, _ in evidence.words_of(one["text"])], evidence.evidence(one), strict=True))
    assert kinds["nice"] == "opinion" and kinds["tea"] == kinds["rained"] == ""
    assert evidence.evidence(one)[0] == "" and evidence.evidence(one)[10] == "negation"


def test_an_idle_negation_is_none():
    assert "negation" not in evidence.evidence(row("There is no doubt that it was nice.", ("nice", False)))


@pytest.mark.parametrize(
    "sentence, turning",
    [
        ("Nobody could deny that it was dull.", ["nobody", "deny"]),
        ("I cannot pretend that the tea, which was cheap, wasn't dull.", ["cannot", "wasn't"]),
        ("The tea was not without faults. It was not cheap.", ["not", "without"]),
        ("Seldom did the tea fail to be dull!", ["seldom", "fail"]),
        ("I cannot say that it was dull. It wasn't.", []),
    ],
)
def test_both_words_of_two_that_cancel_are_evidence(sentence, turning):
    opinion = "faults" if "faults" in sentence else "dull"
    kinds = evidence.evidence(row(sentence, (opinion, False)))
    words = [word for word, _, _ in evidence.words_of(sentence)]
    assert [word for word, kind in zip(words, kinds, strict=True) if kind == "negation"] == turning


def test_two_words_cancel_in_all_double_negations_of_the_reviews_and_in_no_others():
    for split in ("train", "validation", "test"):
        for one in lm.load("reviews", split):
            assert len(evidence.double_negation(one["text"])) == 2 * (one["negation"] == "double"), one["text"]


def test_words_are_those_of_the_tokenizer():
    for one in lm.load("reviews", "test").select(range(200)):
        assert [w for w, _, _ in evidence.words_of(one["text"])] == [w.lower() for w in text.words(one["text"])]
        assert len(evidence.evidence(one)) == len(text.words(one["text"]))
        if one["negation"] == "simple" and any(span["negated"] for span in one["spans"]):
            assert "opinion" in evidence.evidence(one)


def test_nearly_all_negated_reviews_have_a_negation_word():
    rows = [one for one in lm.load("reviews", "test") if one["phenomena"][0] == "negation"]
    having = ["negation" in evidence.evidence(one) for one in rows if any(span["negated"] for span in one["spans"])]
    assert np.mean(having) > 0.7


def test_a_ranking_is_scored_by_the_share_of_evidence_at_its_top():
    kinds = ["", "opinion", "", "negation"]
    assert evidence.found_share([0, 5, 1, -9], kinds) == 1.0
    assert evidence.found_share([9, 5, 1, 0], kinds) == 0.5
    assert evidence.found_share([9, 0, 8, 0], kinds) == 0.0


@pytest.mark.parametrize("scores, kinds", [([1.0], ["", "opinion"]), ([1.0], [""])])
def test_nothing_to_score_is_told(scores, kinds):
    with pytest.raises(CourseError, match="scores for"):
        evidence.found_share(scores, kinds)


# --- the classifier ---------------------------------------------------------------------------------------------------


@pytest.mark.proof("16", "a padded batch of the attentive classifier", "each text alone", "random ids")
def test_what_stands_in_the_padding_changes_nothing():
    torch.manual_seed(0)
    model = AttentiveClassifier(30, embedding_size=8, hidden_size=6).double().eval()
    ids = torch.randint(30, (3, 7))
    mask = (torch.arange(7) < torch.tensor([7, 4, 1])[:, None]).long()
    together = model(ids, mask)
    for one, m, logits in zip(ids, mask, together, strict=True):
        close(model(one[None, : m.sum()])[0], logits, within=1e-12)
    assert torch.equal(together, model(ids * mask, mask))


def test_weights_sum_to_one_and_others_may_take_their_place():
    torch.manual_seed(0)
    model = AttentiveClassifier(30, embedding_size=8, hidden_size=6).eval()
    vectors = model.embedding(torch.randint(30, (2, 5)))
    logits, weights = model.read(vectors)
    assert torch.allclose(weights.sum(1), torch.ones(2)) and torch.equal(model.read(vectors, None, weights)[0], logits)
    flat = AttentiveClassifier(30, embedding_size=8, hidden_size=6, uniform=True).eval()
    flat.load_state_dict(model.state_dict())
    assert torch.allclose(flat.read(vectors)[1], torch.full((2, 5), 0.2))
    assert torch.allclose(flat.read(vectors)[0], model.read(vectors, None, torch.full((2, 5), 0.2))[0])
