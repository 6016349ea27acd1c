"""Grokking: a small network learns sums modulo a prime by heart, and much later how to add. Built in chapter 16.

After Power et al. (2022), and Nanda et al. (2023), who found that a small transformer adds by turning: each number
becomes a few angles, and angles add up by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.runtime import CourseError, seed_everything


class ModularAdder(nn.Module):
    """A vector for each number, the sum of two of them, and a network with one hidden layer.

    Args:
        prime: how many numbers there are, 0 to prime - 1.
        size: of their vectors.
        hidden_size: of the hidden layer.
    """

    def __init__(self, prime: int, size: int = 64, hidden_size: int = 128):
        super().__init__()
        self.embedding = nn.Embedding(prime, size)
        self.network = nn.Sequential(nn.Linear(size, hidden_size), nn.ReLU(), nn.Linear(hidden_size, prime))
        nn.init.normal_(self.embedding.weight, std=0.5)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        """Pairs of numbers [n, 2] -> the logits of their sum [n, prime]."""
        return self.network(self.embedding(pairs).sum(1))


def pairs_of(prime: int, share: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """All pairs a <= b of numbers below a prime, in random order, cut into training and test: [n, 2] each.

    (a, b) and (b, a) have the same sum of vectors, so only one of the two occurs: else the test would hold what was
    trained on.

    Args:
        prime: how many numbers there are.
        share: of the pairs that is trained on.
        seed: of the order.

    Raises:
        CourseError: the share leaves one of the two parts empty.
    """
    pairs = torch.triu_indices(prime, prime).T
    count = int(share * len(pairs))
    if not 0 < count < len(pairs):
        raise CourseError(f"Of {len(pairs)} pairs a share of {share} is trained on: that leaves nothing for one part.")
    pairs = pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))]
    return pairs[:count], pairs[count:]


def accuracy(model: nn.Module, pairs: torch.Tensor, prime: int) -> float:
    """The share of pairs [n, 2] whose sum modulo the prime has the largest logit."""
    with torch.no_grad():
        return (model(pairs).argmax(-1) == pairs.sum(1) % prime).float().mean().item()


def train(
    prime: int = 59,
    share: float = 0.5,
    *,
    weight_decay: float = 1.0,
    steps: int = 1500,
    learning_rate: float = 1e-2,
    start: float = 1.0,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> tuple[ModularAdder, dict[str, list]]:
    """Trains on all training pairs at once (AdamW) and looks at growing distances.

    Args:
        prime, share: see `pairs_of`.
        weight_decay: of all parameters; 0 for none.
        steps: how many.
        learning_rate: the same in all steps.
        start: the first parameters are multiplied by it.
        dtype: in which it computes.
        seed: of the pairs and of the first parameters.

    Returns:
        The model, and a list each for "step", "train" and "test" (accuracies) and "size" (of all parameters together,
        the root of the sum of squares).
    """
    train_pairs, test_pairs = pairs_of(prime, share, seed)
    seed_everything(seed)
    model = ModularAdder(prime).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(start)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, betas=(0.9, 0.98), weight_decay=weight_decay)
    history: dict[str, list] = {"step": [], "train": [], "test": [], "size": []}
    for step in range(steps + 1):
        if step == steps or not history["step"] or step >= 1.1 * history["step"][-1] + 1:
            size = sum(parameter.detach().square().sum() for parameter in model.parameters()).sqrt().item()
            found = step, accuracy(model, train_pairs, prime), accuracy(model, test_pairs, prime), size
            for values, value in zip(history.values(), found, strict=True):
                values.append(value)
        if step < steps:
            loss = F.cross_entropy(model(train_pairs), train_pairs.sum(1) % prime)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model, history


def power(vectors: torch.Tensor) -> torch.Tensor:
    """How much of the numbers' vectors each frequency holds: [prime, size] -> [prime // 2], shares that add up to 1.

    Entry k - 1 is of the waves cos(2 pi k n / prime) and sin(2 pi k n / prime), n being the number; the mean over all
    numbers is left out.
    """
    found = torch.fft.rfft(vectors.detach(), dim=0).abs().square().sum(1)[1:]
    return found / found.sum()


def with_frequencies(vectors: torch.Tensor, frequencies: Sequence[int], keep: bool = True) -> torch.Tensor:
    """The numbers' vectors of which only these frequencies are kept, or taken out; the mean stays: [prime, size].

    Args:
        vectors: [prime, size].
        frequencies: from 1 to prime // 2.
        keep: these alone; or all but these.

    Raises:
        CourseError: there is no such frequency.
    """
    waves = torch.fft.rfft(vectors.detach(), dim=0)  # [prime // 2 + 1, size]
    if not all(1 <= k < len(waves) for k in frequencies):
        raise CourseError(
            f"{len(vectors)} numbers have the frequencies 1 to {len(waves) - 1}, not {list(frequencies)}."
        )
    chosen = torch.zeros(len(waves), dtype=torch.bool)
    chosen[list(frequencies)] = True
    chosen = chosen if keep else ~chosen
    chosen[0] = True
    return torch.fft.irfft(waves * chosen[:, None], n=len(vectors), dim=0)
