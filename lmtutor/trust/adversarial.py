"""Attacks on word vectors, by gradient, and training against them: FGM, PGD, virtual adversarial training.

The attacker adds a small shift to a text's embedded words. How small is said in shares of the norm of all these vectors
taken as one, so that a model cannot get away by making its word vectors longer. Built and explained in chapter 15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.data import batches
from lmtutor.models import evaluating
from lmtutor.runtime import CourseError

Batch = Mapping[str, torch.Tensor]  # input_ids and attention_mask [batch, time], labels [batch]


def check_epsilon(epsilon: float) -> None:
    if not 0 <= epsilon < float("inf"):
        raise CourseError(f"Epsilon is the radius within which the attacker may move, 0 or more, not {epsilon}.")


def with_labels(sequences: Sequence[Sequence[int]], labels: Sequence[int]) -> dict[str, torch.Tensor]:
    """A batch: `input_ids` and `attention_mask` [batch, time], `labels` [batch]."""
    return {**batches.pad(sequences), "labels": torch.tensor(list(labels))}


def lengths(vectors: torch.Tensor) -> torch.Tensor:
    """The length of each text, all its vectors taken as one: [batch, time, hidden] -> [batch, 1, 1]."""
    return vectors.flatten(1).norm(dim=1)[:, None, None]


def steepest(gradient: torch.Tensor, radius: float | torch.Tensor) -> torch.Tensor:
    """The shift of this length along which each text's loss rises most, to first order; 0 where the gradient is 0.

    Args:
        gradient: of the loss for the embedded texts: [batch, time, hidden].
        radius: of all texts, or of each: [batch, 1, 1].
    """
    size = lengths(gradient)
    return radius * gradient / torch.where(size > 0, size, 1.0)


def project(shift: torch.Tensor, radius: float | torch.Tensor) -> torch.Tensor:
    """The nearest shift that is no longer than the radius, for each text: [batch, time, hidden]."""
    size = lengths(shift)
    return shift * (radius / torch.where(size > 0, size, 1.0)).clamp(max=1.0)


@contextmanager
def shifted(embedding: nn.Module, shift: torch.Tensor) -> Iterator[None]:
    """Meanwhile the embedding gives its vectors plus the shift [batch, time, hidden]."""
    handle = embedding.register_forward_hook(lambda _module, _inputs, vectors: vectors + shift)
    try:
        yield
    finally:
        handle.remove()


def logits(model: nn.Module, batch: Batch, shift: torch.Tensor | None = None) -> torch.Tensor:
    """What the model says to the texts with this shift in their embeddings: [batch, labels], at least float32."""
    with shifted(model.embedding, shift) if shift is not None else nullcontext():
        said = model(batch["input_ids"], batch["attention_mask"])
    return said.to(torch.promote_types(said.dtype, torch.float32))


def radii(model: nn.Module, batch: Batch, epsilon: float) -> torch.Tensor:
    """Epsilon times the length of each text's own vectors, padding left out: [batch, 1, 1]."""
    check_epsilon(epsilon)
    vectors = model.embedding(batch["input_ids"]).detach() * batch["attention_mask"][:, :, None]
    return epsilon * lengths(vectors)


def no_shift(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Zeros of the shape of the embedded texts."""
    return torch.zeros_like(model.embedding(batch["input_ids"])).detach()


def gradient(
    model: nn.Module,
    batch: Batch,
    shift: torch.Tensor,
    objective: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.cross_entropy,
) -> torch.Tensor:
    """Of the objective(logits, labels), summed over the texts, for the shift: [batch, time, hidden]."""
    shift = shift.detach().requires_grad_()
    said = logits(model, batch, shift)
    total = objective(said, batch["labels"]) * len(said)  # the objective is a mean
    return torch.autograd.grad(total, shift)[0]


def negative_margin(said: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean of (largest wrong logit - right logit): unlike cross-entropy it is not flat where the model is sure."""
    return -margins(said, labels).mean()


def margins(said: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Right logit minus the largest wrong one: [batch]; below 0 the model is wrong.

    Raises:
        CourseError: there is one class only.
    """
    if said.shape[-1] < 2:
        raise CourseError("A margin needs at least two classes, and the model has one.")
    right = said.gather(1, labels[:, None])[:, 0]
    wrong = said.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
    return right - wrong


def fgm(model: nn.Module, batch: Batch, epsilon: float) -> torch.Tensor:
    """The shift of the fast gradient method (Miyato et al., 2017): one steepest step as long as is allowed."""
    radius = radii(model, batch, epsilon)
    return steepest(gradient(model, batch, no_shift(model, batch)), radius).detach()


def pgd(
    model: nn.Module,
    batch: Batch,
    epsilon: float,
    steps: int = 10,
    *,
    step_size: float | None = None,
    random_start: bool = True,
    objective: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.cross_entropy,
) -> torch.Tensor:
    """The shift of projected gradient descent (Madry et al., 2018): steepest steps, each put back into the ball.

    Args:
        model: has an `embedding`; it is in the mode (training or not) in which it is attacked.
        batch: texts and their labels.
        epsilon: radius of the ball, in shares of the length of each text's vectors.
        steps: gradients that are asked for.
        step_size: likewise in shares; 2.5 epsilon / steps if not given, which reaches the rim from anywhere.
        random_start: whether to begin at a random place of the ball, or at the text itself.
        objective: what is made large.

    Raises:
        CourseError: epsilon is below 0, or there is no step.
    """
    if steps < 1:
        raise CourseError(f"The attacker needs a budget of at least one step, not {steps}.")
    radius = radii(model, batch, epsilon)
    step = 2.5 * radius / steps if step_size is None else radii(model, batch, step_size)
    shift = no_shift(model, batch)
    if random_start:
        there = batch["attention_mask"][:, :, None]
        shift = steepest(torch.randn_like(shift) * there, radius) * torch.rand(len(shift), 1, 1, device=shift.device)
    for _ in range(steps):
        shift = project(shift + steepest(gradient(model, batch, shift, objective), step), radius)
    return shift.detach()


def adversarial_loss(epsilon: float, steps: int = 1) -> Callable[[nn.Module, Batch], tuple[torch.Tensor, int]]:
    """A loss for `training.fit`: the mean of that of the texts and that of the shifted ones; FGM if steps is 1."""
    check_epsilon(epsilon)

    def loss(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, int]:
        shift = fgm(model, batch, epsilon) if steps == 1 else pgd(model, batch, epsilon, steps)
        both = [F.cross_entropy(logits(model, batch, one), batch["labels"]) for one in (None, shift)]
        return sum(both) / 2, len(batch["labels"])

    return loss


def divergence(said: torch.Tensor, shifted_said: torch.Tensor) -> torch.Tensor:
    """Mean of KL(p || q) in nats, p and q being the softmax of the two: both [batch, labels]."""
    return F.kl_div(shifted_said.log_softmax(-1), said.log_softmax(-1), reduction="batchmean", log_target=True)


def virtual_shift(model: nn.Module, batch: Batch, epsilon: float, *, iterations: int = 1, tiny: float = 1e-2):
    """The shift that changes the model's own answer most, found by power iteration; no label is asked.

    Args:
        model, batch, epsilon: as in `pgd`; labels are not needed.
        iterations: of the power method.
        tiny: length of the trial shift, in shares.
    """
    radius, small = radii(model, batch, epsilon), radii(model, batch, tiny)
    direction = torch.randn_like(no_shift(model, batch)) * batch["attention_mask"][:, :, None]
    said = logits(model, batch).detach()
    for _ in range(iterations):
        shift = steepest(direction, small).detach().requires_grad_()
        found = divergence(said, logits(model, batch, shift))
        direction = torch.autograd.grad(found, shift)[0]
    return steepest(direction, radius).detach()


def virtual_loss(epsilon: float, weight: float = 1.0) -> Callable[[nn.Module, Batch], tuple[torch.Tensor, int]]:
    """A loss for `training.fit` (Miyato et al., 2019): cross-entropy plus KL under the virtual shift.

    A text with the label -100 has none: it counts in the second part alone.
    """
    check_epsilon(epsilon)

    def loss(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, int]:
        said = logits(model, batch)
        known = batch["labels"] >= 0
        plain = F.cross_entropy(said[known], batch["labels"][known]) if known.any() else said.sum() * 0
        again = logits(model, batch, virtual_shift(model, batch, epsilon))
        return plain + weight * divergence(said.detach(), again), len(batch["labels"])

    return loss


def accuracy_under(model: nn.Module, several: list[Batch], attack: Callable[[nn.Module, Batch], torch.Tensor]) -> float:
    """Share of texts that are classified rightly with the attack's shift, between 0 and 1.

    A text counts as right only if it is right as it stands, too. The model is in evaluation mode meanwhile.
    """
    right = total = 0
    with evaluating(model), torch.enable_grad():
        for batch in several:
            survived = (margins(logits(model, batch), batch["labels"]) > 0) & (
                margins(logits(model, batch, attack(model, batch)), batch["labels"]) > 0
            )
            right, total = right + int(survived.sum()), total + len(survived)
    return right / total
