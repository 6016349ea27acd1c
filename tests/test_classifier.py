"""The three classifiers of chapter 04, what it builds beside them, and what they say to bad input."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from notebook_code import definitions
from scipy.sparse import csr_matrix
from sklearn import metrics as sk_metrics
from sklearn.calibration import calibration_curve
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from torch.nn.utils.rnn import pack_padded_sequence

import lmtutor as lm
from lmtutor import batches, metrics, plots, text, training
from lmtutor.exercises import classify
from lmtutor.models import classifier
from lmtutor.runtime import CourseError
from lmtutor.tasks import classifying


def tiny_model(seed=0, **changes):
    torch.manual_seed(seed)
    return classifier.LSTMClassifier(20, **{"embedding_size": 6, "hidden_size": 5, **changes})


def tiny_cnn(seed=0):
    torch.manual_seed(seed)
    return classifier.CNNClassifier(20, embedding_size=6, channels=5, widths=(1, 3))


def tiny_bag(seed=0, hidden_size=16):
    torch.manual_seed(seed)
    return classifier.BagOfEmbeddings(20, embedding_size=6, hidden_size=hidden_size)


NETWORKS = [tiny_model, tiny_cnn, tiny_bag]


def fit(model, sequences, labels, *, epochs=1, batch_size=4, loss=classifier.loss, **changes):
    order = classifier.epochs_by_length(sequences, labels, batch_size=batch_size, epochs=epochs)
    return training.fit(
        model, order, loss=loss, epochs=1, batch_size=1, shuffle=False,
        collate=classifier.collator(sequences, labels), progress=False, **changes,
    )  # fmt: skip


texts = st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=9), min_size=1, max_size=6)

# --- padding ----------------------------------------------------------------------------------------------------------


@pytest.mark.proof("04", "classifiers, other and more padding", "the logits before", "any texts")
@pytest.mark.parametrize("network", NETWORKS)
@given(texts, st.integers(0, 5), st.integers(0, 99))
def test_what_stands_in_the_padding_and_how_much_of_it_changes_nothing(network, sequences, more, seed):
    model = network().double().eval()
    batch = batches.pad(sequences)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    noise = torch.randint(20, (len(sequences), ids.shape[1] + more), generator=torch.Generator().manual_seed(seed))
    wide = torch.zeros_like(noise)
    wide[:, : ids.shape[1]] = mask
    noise[:, : ids.shape[1]] = torch.where(mask == 1, ids, noise[:, : ids.shape[1]])
    torch.testing.assert_close(model(noise, wide), model(ids, mask), rtol=0, atol=1e-12)


def test_a_model_is_in_the_mode_it_was_in_after_it_was_asked_and_after_an_error():
    model = tiny_model()
    model.dropout.eval()
    classifier.logits(model, [[1, 2]])
    with pytest.raises(CourseError, match="Text 1 has no tokens"):
        classifier.logits(model, [[1, 2], []])
    assert model.training and model.lstm.training and not model.dropout.training


@pytest.mark.parametrize("network", NETWORKS)
@given(texts)
def test_a_text_gets_the_same_answer_alone_and_in_any_company(network, sequences):
    model = network().double()
    together = classifier.logits(model, sequences, batch_size=4)
    alone = np.concatenate([classifier.logits(model, [sequence]) for sequence in sequences])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


def test_each_real_token_counts_and_so_does_their_order():
    model = tiny_model().double()
    base = classifier.logits(model, [[3, 4, 5, 6]])
    for changed in ([7, 4, 5, 6], [3, 4, 5, 7], [4, 3, 5, 6]):
        assert np.abs(classifier.logits(model, [changed]) - base).max() > 1e-6


def test_order_counts_within_a_window_of_the_cnn_and_never_in_a_bag():
    for network, sees in ((tiny_cnn, True), (tiny_bag, False)):
        straight, turned = classifier.logits(network().double(), [[3, 4, 5, 6], [4, 3, 6, 5]])
        assert (np.abs(straight - turned).max() > 1e-6) == sees
    torch.manual_seed(0)
    blind = classifier.CNNClassifier(20, embedding_size=6, channels=5, widths=(1,)).double()
    straight, turned = classifier.logits(blind, [[3, 4, 5, 6], [4, 3, 6, 5]])
    np.testing.assert_allclose(straight, turned, rtol=0, atol=1e-12)


def test_word_dropout_replaces_words_in_training_only():
    model = tiny_model(word_dropout=1.0, unk_token_id=9).double()
    batch, unknown = batches.pad([[3, 4, 5]]), batches.pad([[9, 9, 9]])
    model.train()
    torch.testing.assert_close(model(**batch), model.eval()(**unknown))
    assert not torch.allclose(model(**batch), model(**unknown))


def test_it_learns_what_no_bag_of_words_can():
    """Label 1 when 3 comes before 4: both classes have the same words."""
    generator = np.random.default_rng(0)
    sequences, labels = [], []
    for _ in range(200):
        label = int(generator.integers(2))
        words = generator.integers(5, 20, size=5).tolist()
        first, second = sorted(generator.choice(6, 2, replace=False).tolist())
        pair = (3, 4) if label else (4, 3)
        words.insert(first, pair[0])
        words.insert(second, pair[1])
        sequences.append(words)
        labels.append(label)
    model = tiny_model(embedding_size=16, hidden_size=16)
    fit(model, sequences, labels, epochs=40, batch_size=20, optimizer=lambda p: torch.optim.AdamW(p, lr=0.02))
    assert (classifier.probabilities(model, sequences).argmax(axis=1) == labels).mean() > 0.95


def test_logits_come_in_the_order_of_the_texts_and_leave_the_mode_as_it_was():
    model = tiny_model(dropout=0.9)
    model.train()
    sequences = [[1] * n for n in (5, 1, 3, 2, 4)]
    found = classifier.logits(model, sequences, batch_size=2)
    assert model.training and found.shape == (5, 2)
    for sequence, row in zip(sequences, found, strict=True):
        np.testing.assert_allclose(classifier.logits(model, [sequence])[0], row, atol=1e-6)
    np.testing.assert_allclose(classifier.probabilities(model, sequences).sum(axis=1), 1)


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_training_learns_what_the_words_say_and_has_a_row_for_each_epoch(network):
    generator = np.random.default_rng(0)
    sequences = [generator.integers(5, 20, size=5).tolist() for _ in range(60)]
    labels = np.arange(60) % 2
    for sequence, label in zip(sequences, labels, strict=True):
        sequence[generator.integers(5)] = 3 + int(label)
    model = network()
    history = classifying.train(
        model, sequences, labels, epochs=30, learning_rate=0.03, batch_size=10, validation=(sequences[:7], labels[:7])
    )
    assert history["epoch"].tolist() == list(range(1, 31))
    assert history["validation_loss"].iloc[-1] < history["validation_loss"].iloc[0]
    assert (classifier.probabilities(model, sequences).argmax(axis=1) == labels).mean() > 0.95


def test_training_is_the_same_for_the_same_seed_and_needs_labels_of_two_classes():
    histories = [classifying.train(tiny_bag(), [[3], [4], [5]], [0, 1, 1], epochs=2, learning_rate=0.1) for _ in "ab"]
    assert histories[0]["train_loss"].tolist() == histories[1]["train_loss"].tolist()
    with pytest.raises(CourseError, match="at least two classes"):
        classifying.train(tiny_bag(), [[3], [4]], [1, 1], epochs=1, learning_rate=0.1)


# --- batches ----------------------------------------------------------------------------------------------------------


def test_every_epoch_holds_each_text_once_and_draws_its_batches_anew():
    sequences, labels = [[1] * (1 + i % 4) for i in range(20)], [i % 2 for i in range(20)]
    order = classifier.epochs_by_length(sequences, labels, batch_size=4, epochs=3)
    epochs = [order[i : i + 5] for i in range(0, 15, 5)]
    assert all(sorted(sum(epoch, [])) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert order == classifier.epochs_by_length(sequences, labels, batch_size=4, epochs=3)
    assert order != classifier.epochs_by_length(sequences, labels, batch_size=4, epochs=3, seed=1)


def test_a_batch_carries_the_labels_of_its_texts():
    batch = classifier.collator([[1], [2, 3], [4]], [0, 1, 1])([[2, 1]])
    assert batch["labels"].tolist() == [1, 1]
    assert batch["input_ids"].tolist() == [[4, 0], [2, 3]]
    assert batch["attention_mask"].tolist() == [[1, 0], [1, 1]]


# --- bad input --------------------------------------------------------------------------------------------------------


def test_a_text_without_tokens_is_told_in_one_sentence():
    with pytest.raises(CourseError, match=r"^Text 1 has no tokens; leave it out"):
        classifier.probabilities(tiny_model(), [[1, 2], []])
    with pytest.raises(CourseError, match="^Text 1 has no tokens"):
        fit(tiny_model(), [[1], [], [2]], [0, 1, 1])


def test_a_text_of_ten_thousand_tokens_is_classified():
    long = np.random.default_rng(0).integers(20, size=10_000).tolist()
    p = classifier.probabilities(tiny_model(), [[1, 2], long])
    assert np.isfinite(p).all() and p.sum(axis=1) == pytest.approx([1, 1])


def test_a_text_of_ten_thousand_tokens_can_be_trained_on():
    model = tiny_model()
    history = fit(model, [[1] * 10_000, [2]], [1, 0], batch_size=2)
    assert history.attrs["stopped"] == "finished" and math.isfinite(history["train_loss"].iloc[-1])


def test_a_batch_of_one_class_trains():
    model = tiny_model()
    before = classifier.probabilities(model, [[1, 2]])[0, 1]
    batch = {**batches.pad([[1, 2], [3]]), "labels": torch.tensor([1, 1])}
    history = training.fit(
        model, [batch], loss=classifier.loss, epochs=20, batch_size=1, collate=lambda b: b[0], progress=False
    )
    assert history.attrs["stopped"] == "finished" and history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    assert classifier.probabilities(model, [[1, 2]])[0, 1] > before


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 1, 1], "needs training examples of at least two classes, but all 3 labels are 1"),
        (["positive", "negative", "positive"], r"Label 0 is 'positive'.*text\.label_ids\(labels\)"),
        ([0, 1, "1"], "Label 2 is '1'"),
        ([0.0, 1.0, 1.0], "Label 0 is 0.0, but labels must be whole numbers"),
        ([0, 1, -1], "Label 2 is -1"),
        ([True, False, True], "Label 0 is True"),
        ([0, 1], "There are 3 texts but 2 labels"),
        ([0, 1, math.nan], "Label 2 is nan"),
        (torch.tensor([0.0, 1.0, math.nan]), "Label 0 is 0.0"),
        (torch.tensor([[0, 1], [1, 0], [0, 1]]), r"Label 0 is \[0, 1\]"),
    ],
)
def test_labels_that_cannot_be_trained_on_are_told_before_training(labels, message):
    with pytest.raises(CourseError, match=message) as told:
        classifier.epochs_by_length([[1], [2], [3]], labels, batch_size=2, epochs=1)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("label", [0.7, math.nan, "1", -1])
def test_a_batch_takes_no_label_that_is_no_whole_number(label):
    with pytest.raises(CourseError, match="Label 1 is .* but labels must be whole numbers"):
        classifier.collator([[1], [2]], [0, label])


@pytest.mark.parametrize("ask", [classifier.logits, classifier.probabilities])
def test_a_model_that_has_diverged_says_nothing_and_says_so(ask):
    model = tiny_model()
    with torch.no_grad():
        model.output.bias[0] = math.nan
    with pytest.raises(CourseError, match="logits are not finite"):
        ask(model, [[1, 2], [3]])
    assert model.training  # the mode in which it was


def test_no_labels_at_all_are_told():
    with pytest.raises(CourseError, match="there are no labels"):
        classifier.epochs_by_length([], [], batch_size=2, epochs=1)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_labels_may_come_as_lists_arrays_and_tensors(kind):
    order = classifier.epochs_by_length([[1], [2], [3]], kind([0, 1, 1]), batch_size=2, epochs=1)
    assert sorted(sum(order, [])) == [0, 1, 2]
    assert fit(tiny_model(), [[1], [2], [3]], kind([0, 1, 1])).attrs["stopped"] == "finished"


def test_a_nan_loss_is_told_with_its_step_and_the_last_good_weights_are_kept(capsys):
    sequences, labels = [[i % 20] for i in range(40)], [i % 2 for i in range(40)]

    def poisoned(after):
        steps = iter(range(10**6))

        def loss(model, batch):
            mean, count = classifier.loss(model, batch)
            return (mean * math.nan if next(steps) == after else mean), count

        return loss

    torch.manual_seed(0)
    broken, good = tiny_model(), tiny_model()
    history = fit(broken, sequences, labels, loss=poisoned(after=6))
    assert history.attrs["stopped"] == "diverged"
    assert "Stopped at step 7: the loss became nan" in capsys.readouterr().out
    order = classifier.epochs_by_length(sequences, labels, batch_size=4, epochs=1)[:6]
    training.fit(
        good, order, loss=classifier.loss, epochs=1, batch_size=1, shuffle=False,
        collate=classifier.collator(sequences, labels), progress=False,
    )  # fmt: skip
    for name, weight in good.state_dict().items():
        torch.testing.assert_close(broken.state_dict()[name], weight, rtol=0, atol=0)


@given(st.lists(st.text(max_size=3), min_size=1, max_size=12))
def test_names_of_classes_become_numbers_and_lead_back(names):
    ids, classes = text.label_ids(names)
    assert [classes[i] for i in ids] == names
    assert sorted(set(ids)) == list(range(len(classes))) and classes == sorted(set(names))


def test_labels_in_tensors_arrays_and_columns_are_those_of_a_list():
    for labels in (torch.tensor([3, 1, 3]), np.array([3, 1, 3]), pd.Series([3, 1, 3])):
        ids, names = text.label_ids(labels)
        assert (ids, names) == ([1, 0, 1], [1, 3]) and {type(name) for name in names} == {int}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "list is empty"),
        (["1", 1], r"different kinds \(int, str\)"),
        ([1.0, math.nan], "Label 1 is nan, so it is missing"),
        (["good", None], "Label 1 is None"),
        (torch.tensor([math.nan]), "Label 0 is nan"),
    ],
)
def test_labels_that_cannot_be_numbered_are_told(labels, message):
    with pytest.raises(CourseError, match=message):
        text.label_ids(labels)


# --- calibration ------------------------------------------------------------------------------------------------------


@pytest.mark.proof("04", "expected calibration error", "sklearn calibration_curve", "any probabilities")
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=60), st.integers(1, 12))
def test_the_calibration_error_is_what_scikit_learn_s_bins_give(examples, bins):
    p, y = (np.array(column, dtype=float) for column in zip(*examples, strict=True))
    edge = np.abs(p * bins - np.round(p * bins)) < 1e-9  # a value on the edge of two bins may fall into either
    p = np.where(edge, (np.minimum(np.floor(p * bins), bins - 1) + 0.5) / bins, p)
    share, mean = calibration_curve(y, p, n_bins=bins)
    sizes = np.histogram(p, bins=bins, range=(0, 1))[0]
    expected = (np.abs(share - mean) * sizes[sizes > 0]).sum() / len(p)
    assert metrics.expected_calibration_error(p, y, bins) == pytest.approx(expected, abs=1e-12)


def test_the_calibration_error_by_hand():
    assert metrics.expected_calibration_error([0.75, 0.75], [1, 0], 2) == pytest.approx(0.25)
    assert metrics.expected_calibration_error([1.0, 0.0], [1, 0], 10) == 0


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [([], [], "shapes"), ([0.5], [1, 0], "shapes"), ([1.2], [1], "between 0 and 1"), ([math.nan], [1], "between 0")],
)
def test_a_calibration_error_of_nonsense_is_told(p, y, message):
    with pytest.raises(CourseError, match=message):
        metrics.expected_calibration_error(p, y)


def test_a_confusion_matrix_shows_its_counts_and_a_reliability_diagram_its_bins():
    ax = plots.confusion(np.array([[5, 1], [0, 2000]]), ["bad", "good"])
    assert [t.get_text() for t in ax.texts] == ["5", "1", "0", "2,000"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["bad", "good"]
    p = np.repeat([0.05, 0.95], [20, 5])  # five examples are too few for a point
    ax = plots.reliability({"model": p}, np.repeat([0, 1, 1], [18, 2, 5]))
    (x, y) = ax.lines[1].get_data()
    assert x == pytest.approx([0.05]) and y == pytest.approx([0.1])
    plots.plt.close("all")


# --- what the notebook builds -----------------------------------------------------------------------------------------


@pytest.mark.proof("04", "naive Bayes", "sklearn MultinomialNB", "random counts")
@pytest.mark.parametrize("alpha", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_notebook_s_naive_bayes_is_scikit_learn_s(alpha, classes):
    built = definitions("04", "NaiveBayes").NaiveBayes
    generator = np.random.default_rng(classes)
    counts = generator.poisson(0.5, size=(60, 30))
    labels = np.append(np.arange(classes), generator.integers(classes, size=60 - classes))
    theirs = MultinomialNB(alpha=alpha).fit(counts, labels)
    ours = built(counts, labels, alpha)
    np.testing.assert_allclose(ours.probabilities(counts), theirs.predict_proba(counts), rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.log_word, theirs.feature_log_prob_, rtol=0, atol=1e-12)


@pytest.mark.proof(
    "04", "naive Bayes", "softmax of W x + b; sigmoid of the difference of its two numbers", "random counts"
)
def test_naive_bayes_is_the_softmax_of_a_linear_map_and_the_sigmoid_of_a_difference():
    generator = np.random.default_rng(0)
    counts, labels = generator.poisson(0.5, size=(60, 30)), np.arange(60) % 2
    theirs = MultinomialNB().fit(counts, labels)
    z = counts @ theirs.feature_log_prob_.T + theirs.class_log_prior_
    ours = definitions("04", "NaiveBayes").NaiveBayes(counts, labels).probabilities(counts)
    np.testing.assert_allclose(torch.tensor(z).softmax(dim=1).numpy(), ours, rtol=0, atol=1e-12)
    np.testing.assert_allclose(1 / (1 + np.exp(z[:, 0] - z[:, 1])), ours[:, 1], rtol=0, atol=1e-12)


@pytest.mark.proof("04", "log-count ratio", "sklearn MultinomialNB, difference of log-probabilities", "random features")
def test_the_notebook_s_log_count_ratio_is_the_vote_of_naive_bayes_and_its_features_are_weighted_with_it():
    built = definitions("04", "log_count_ratio", "nb_weighted")
    generator = np.random.default_rng(0)
    features, labels = csr_matrix(generator.integers(0, 2, size=(60, 30)).astype(float)), np.arange(60) % 2
    votes = MultinomialNB(alpha=1.0).fit(features, labels).feature_log_prob_
    ratio = built.log_count_ratio(features, labels)
    np.testing.assert_allclose(ratio, votes[1] - votes[0], rtol=0, atol=1e-12)
    weighted = built.nb_weighted({"train": features, "test": features[:5]}, labels)
    np.testing.assert_allclose(weighted["test"].toarray(), features[:5].toarray() * ratio, rtol=0, atol=1e-12)


@pytest.mark.proof("04", "BagOfEmbeddings", "torch EmbeddingBag; one vote per word", "random texts, same weights")
@given(texts)
def test_a_bag_of_embeddings_is_torch_s_and_a_vote_for_each_word(sequences):
    model = tiny_bag(hidden_size=0).double().eval()
    W, b, table = model.output.weight, model.output.bias, model.embedding.weight
    starts = torch.tensor(np.cumsum([0, *map(len, sequences[:-1])]))
    with torch.no_grad():
        theirs = model.output(
            torch.nn.EmbeddingBag.from_pretrained(table, mode="mean")(torch.tensor(sum(sequences, [])), starts)
        )
        votes = table @ (W[1] - W[0])
        linear = torch.stack([votes[ids].mean() for ids in sequences]) + b[1] - b[0]
    ours = classifier.logits(model, sequences)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours[:, 1] - ours[:, 0], linear.numpy(), rtol=0, atol=1e-12)


@pytest.mark.proof("04", "windows times weights", "torch Conv1d", "random numbers")
@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_convolution_multiplies_windows(width):
    torch.manual_seed(width)
    vectors, convolution = torch.randn(2, 6, 9, dtype=torch.float64), torch.nn.Conv1d(6, 5, width).double()
    windows = vectors.unfold(2, width, 1)
    ours = torch.einsum("bspw,csw->bcp", windows, convolution.weight) + convolution.bias[:, None]
    torch.testing.assert_close(ours, convolution(vectors), rtol=0, atol=1e-12)


@pytest.mark.proof("04", "CNN in NumPy (the exercise)", "CNNClassifier", "any texts, same weights")
@given(texts, st.integers(0, 9))
def test_the_exercise_s_cnn_is_the_classifier(sequences, seed):
    model = tiny_cnn(seed).double().eval()
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    kernels = [state[f"convolutions.{i}.weight"] for i in range(2)]
    biases = [state[f"convolutions.{i}.bias"] for i in range(2)]
    rest = state["embedding.weight"], kernels, biases, state["output.weight"], state["output.bias"]
    ours = [classify.cnn_logits(sequence, *rest) for sequence in sequences]
    np.testing.assert_allclose(ours, classifier.logits(model, sequences), rtol=0, atol=1e-12)


@pytest.mark.proof("04", "logistic loss, gradient", "finite differences", "random numbers")
def test_the_notebook_s_logistic_gradient_is_that_of_finite_differences():
    loss = definitions("04", "logistic_loss").logistic_loss
    generator = np.random.default_rng(1)
    X, y, w, step = generator.normal(size=(40, 5)), generator.integers(0, 2, 40), generator.normal(size=6), 1e-6
    moved = [(loss(X, y, w + step * e, 0.1)[0] - loss(X, y, w - step * e, 0.1)[0]) / (2 * step) for e in np.eye(6)]
    np.testing.assert_allclose(loss(X, y, w, 0.1)[1], moved, rtol=0, atol=1e-8)


@pytest.mark.proof("04", "logistic loss, gradient (0 where sklearn ends)", "torch, autograd", "random numbers")
def test_the_notebook_s_logistic_loss_has_the_gradient_that_it_says_and_vanishes_at_scikit_learn_s_solution():
    loss = definitions("04", "logistic_loss").logistic_loss
    generator = np.random.default_rng(0)
    X, y, w = generator.normal(size=(50, 4)), generator.integers(0, 2, 50), generator.normal(size=5)
    tensors = [torch.tensor(a, dtype=torch.float64) for a in (X, y)]
    weights = torch.tensor(w, requires_grad=True)
    z = tensors[0] @ weights[:-1] + weights[-1]
    value = torch.nn.functional.binary_cross_entropy_with_logits(z, tensors[1]) + 0.15 * (weights[:-1] ** 2).sum()
    value.backward()
    ours, gradient = loss(X, y, w, 0.3)
    assert ours == pytest.approx(value.item(), abs=1e-12)
    np.testing.assert_allclose(gradient, weights.grad.numpy(), rtol=0, atol=1e-12)
    theirs = LogisticRegression(C=1 / (0.3 * 50), tol=1e-10, max_iter=1000).fit(X, y)
    assert np.abs(loss(X, y, np.append(theirs.coef_[0], theirs.intercept_), 0.3)[1]).max() < 1e-6


@pytest.mark.proof(
    "04", "precision, recall, F1: micro, macro, weighted", "sklearn precision_recall_fscore_support", "any labels"
)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=50))
def test_the_notebook_s_averages_are_scikit_learn_s(pairs):
    averages = definitions("04", "averages").averages
    labels, said = (np.array(column) for column in zip(*pairs, strict=True))
    ours = averages(labels, said, 4)
    assert ours["micro"][0] == pytest.approx((labels == said).mean())
    for average, key in (("micro", "micro"), ("macro", "macro"), ("weighted", "weighted"), (None, "class")):
        theirs = sk_metrics.precision_recall_fscore_support(
            labels, said, labels=range(4), average=average, zero_division=0
        )
        np.testing.assert_allclose(ours[key], np.array(theirs[:3], dtype=float), rtol=0, atol=1e-12)


@pytest.mark.proof(
    "04", "ROC, precision–recall, area", "sklearn roc_curve, precision_recall_curve, roc_auc_score", "any scores"
)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=40))
def test_the_notebook_s_curves_are_scikit_learn_s_and_the_area_is_the_probability_of_the_right_order(examples):
    built = definitions("04", "threshold_counts", "roc", "precision_recall")
    labels, scores = (np.array(column) for column in zip(*examples, strict=True))
    if labels.min() == labels.max():
        labels[0] = 1 - labels[0]
    scores = scores / 6
    fpr, tpr = built.roc(labels, scores)
    their_fpr, their_tpr, _ = sk_metrics.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose([fpr, tpr], [their_fpr, their_tpr], atol=1e-12)
    precision, recall = built.precision_recall(labels, scores)
    theirs = sk_metrics.precision_recall_curve(labels, scores)
    np.testing.assert_allclose([precision, recall], [theirs[0][-2::-1], theirs[1][-2::-1]], atol=1e-12)
    difference = scores[labels == 1][:, None] - scores[labels == 0]
    order = (difference > 0).mean() + (difference == 0).mean() / 2
    assert np.trapezoid(tpr, fpr) == pytest.approx(order) == pytest.approx(sk_metrics.roc_auc_score(labels, scores))


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_the_notebook_s_temperature_finds_the_one_that_spoiled_known_probabilities(factor):
    fit_temperature = definitions("04", "fit_temperature").fit_temperature
    generator = np.random.default_rng(0)
    z = generator.normal(scale=2, size=50_000)
    labels = (generator.random(len(z)) < 1 / (1 + np.exp(-z))).astype(int)
    assert fit_temperature(factor * z, labels) == pytest.approx(factor, rel=0.05)


class LastState(torch.nn.Module):
    """Embedding, LSTM, the state after the last real token, one probability: ids [batch, time], 0 is padding."""

    def __init__(self, vocab_size):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocab_size, 64)
        self.lstm = torch.nn.LSTM(64, 64, batch_first=True)
        self.output = torch.nn.Linear(64, 1)

    def forward(self, ids):
        lengths = (ids > 0).sum(dim=1)
        packed = pack_padded_sequence(self.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
        return self.output(self.lstm(packed)[1][0][0]).sigmoid()


def copy_lstm(layer, lstm):
    """Keras' [input, 4h], [h, 4h], [4h] into PyTorch's weights of the same meaning."""
    kernel, recurrent, bias = (torch.tensor(np.array(w)) for w in layer.get_weights())
    lstm.weight_ih_l0.copy_(kernel.T)
    lstm.weight_hh_l0.copy_(recurrent.T)
    lstm.bias_ih_l0.copy_(bias)
    lstm.bias_hh_l0.zero_()


@pytest.mark.proof("04", "002's LSTM classifier in PyTorch", "the same in Keras", "padded ids, same weights")
def test_the_listing_s_model_in_keras_and_in_pytorch_agree_with_the_same_weights_and_any_padding():
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    theirs = keras.Sequential(
        [layers.Embedding(30, 64, mask_zero=True), layers.LSTM(64), layers.Dense(1, activation="sigmoid")]
    )
    ids = batches.pad([[3, 4, 5, 6, 7], [8], [9, 10]])["input_ids"]
    theirs.build((None, None))
    theirs.set_weights([np.random.default_rng(0).normal(size=w.shape) * 0.3 for w in theirs.get_weights()])
    ours = LastState(30)
    with torch.no_grad():
        ours.embedding.weight.copy_(torch.tensor(theirs.layers[0].get_weights()[0]))
        copy_lstm(theirs.layers[1], ours.lstm)
        ours.output.weight.copy_(torch.tensor(theirs.layers[2].get_weights()[0].T))
        ours.output.bias.copy_(torch.tensor(theirs.layers[2].get_weights()[1]))
        np.testing.assert_allclose(ours(ids).numpy(), theirs.predict(ids.numpy(), verbose=0), rtol=0, atol=1e-5)
        wider = torch.cat([ids, torch.zeros(3, 4, dtype=torch.long)], dim=1)
        np.testing.assert_allclose(ours(wider).numpy(), theirs.predict(wider.numpy(), verbose=0), rtol=0, atol=1e-5)


@pytest.mark.proof("04", "LSTMClassifier", "the same layers in Keras", "padded ids, same weights")
def test_the_classifier_equals_the_same_layers_in_keras():
    keras = pytest.importorskip("keras")
    ours, sequences = tiny_model().eval(), [[3, 4, 5, 6, 7], [8], [9, 10]]
    state = {name: tensor.detach().numpy() for name, tensor in ours.state_dict().items()}
    theirs = keras.Sequential([
        keras.layers.Embedding(21, 6, mask_zero=True),
        keras.layers.Bidirectional(keras.layers.LSTM(5, return_sequences=True)),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(2),
    ])  # fmt: skip
    theirs.build((None, None))
    theirs.layers[0].set_weights([np.vstack([np.zeros((1, 6)), state["embedding.weight"]])])  # its 0 is padding
    theirs.layers[1].set_weights([
        part for s in ("", "_reverse")
        for part in (state[f"lstm.weight_ih_l0{s}"].T, state[f"lstm.weight_hh_l0{s}"].T,
                     state[f"lstm.bias_ih_l0{s}"] + state[f"lstm.bias_hh_l0{s}"])
    ])  # fmt: skip
    theirs.layers[3].set_weights([state["output.weight"].T, state["output.bias"]])
    moved_up = batches.pad([[i + 1 for i in s] for s in sequences])["input_ids"].numpy()
    expected = theirs.predict(moved_up, verbose=0)
    np.testing.assert_allclose(classifier.logits(ours, sequences), expected, rtol=0, atol=1e-5)


# --- real data --------------------------------------------------------------------------------------------------------


@pytest.mark.proof(
    "04", "naive Bayes, accuracy", "scikit-learn's tutorial", "20 Newsgroups, four categories", exact=True
)
def test_naive_bayes_on_four_newsgroups_is_scikit_learn_s_published_number(realdata, monkeypatch):
    monkeypatch.setenv("LMTUTOR_SOURCE", "local")
    monkeypatch.setenv("LMTUTOR_DATA_DIR", str(realdata))
    news = lm.load("20newsgroups")
    counts = TfidfVectorizer()
    built = definitions("04", "NaiveBayes").NaiveBayes
    x, labels = counts.fit_transform(news["train"]["text"]), np.array(news["train"]["label"])
    right = built(x, labels).probabilities(counts.transform(news["test"]["text"])).argmax(axis=1)
    assert round(float((right == np.array(news["test"]["label"])).mean()), 7) == 0.8348868


def test_a_short_training_run_on_sst2_beats_guessing(realdata, monkeypatch):
    monkeypatch.setenv("LMTUTOR_SOURCE", "local")
    monkeypatch.setenv("LMTUTOR_DATA_DIR", str(realdata))
    sst = lm.load("sst2")
    words = {split: [t.split() for t in sst[split]["text"]] for split in ("train", "validation")}
    vocabulary = text.Vocabulary(words["train"], min_count=2)
    ids = {split: [vocabulary.encode(t) for t in words[split]] for split in words}
    torch.manual_seed(0)
    model = classifier.LSTMClassifier(len(vocabulary), embedding_size=32, hidden_size=16, dropout=0.2)
    fit(
        model, ids["train"], sst["train"]["label"], epochs=2, batch_size=50,
        optimizer=lambda p: torch.optim.AdamW(p, lr=0.01),
    )  # fmt: skip
    right = classifier.logits(model, ids["validation"]).argmax(axis=1) == np.array(sst["validation"]["label"])
    assert right.mean() > 0.7
