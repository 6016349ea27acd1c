"""Looking into a model and changing what is computed there, with PyTorch's hooks. Built in chapter 16.

A site is the name of a module, as `model.named_modules()` has it, and means what leaves it; with ":input" behind it,
such as "layers.3.attention.output:input", what enters it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from lmtutor.runtime import CourseError, choose, several

Change = Callable[[torch.Tensor], torch.Tensor | None]
ENTERS = ":input"


@contextmanager
def changed(model: nn.Module, changes: Mapping[str, Change]) -> Iterator[nn.Module]:
    """Within the `with`, what passes a site is what its change makes of it; afterwards all is as before.

    Args:
        model: any module.
        changes: site -> a function of the tensor there; it returns the tensor that takes its place, or None to leave
            it. Of a module that gives a tuple the first part is handed over.

    Raises:
        CourseError: there is no such site.
    """
    with ExitStack() as stack:
        for site, change in changes.items():
            module = module_at(model, site)
            if site.endswith(ENTERS):
                handle = module.register_forward_pre_hook(_before(change))
            else:
                handle = module.register_forward_hook(_after(change))
            stack.callback(handle.remove)
        yield model


def module_at(model: nn.Module, site: str) -> nn.Module:
    """The module of a site.

    Raises:
        CourseError: there is none; the nearest name is suggested.
    """
    known = dict(model.named_modules())
    return known[choose(site.removesuffix(ENTERS), [name for name in known if name], "The site")]


def _first(got):
    return got[0] if isinstance(got, tuple) else got


def _before(change: Change):
    def hook(_module, arguments):
        new = change(arguments[0])
        return None if new is None else (new, *arguments[1:])

    return hook


def _after(change: Change):
    def hook(_module, _arguments, output):
        new = change(_first(output))
        return new if new is None or not isinstance(output, tuple) else (new, *output[1:])

    return hook


def record(model: nn.Module, sites: Sequence[str], *arguments, **options) -> tuple[object, dict[str, torch.Tensor]]:
    """What the model gives for these arguments, and what passes each site meanwhile: site -> tensor, detached.

    Raises:
        CourseError: there is no such site.
    """
    found: dict[str, torch.Tensor] = {}

    def keeping(site: str) -> Change:
        def keep(x: torch.Tensor) -> None:
            found[site] = x.detach().clone()

        return keep

    with changed(model, {site: keeping(site) for site in several(sites, "sites")}), torch.no_grad():
        return model(*arguments, **options), found


def put(source: torch.Tensor, places: Sequence[int] | slice = slice(None)) -> Change:
    """A change that copies these places of the text from elsewhere: [batch, time, ...], `source` likewise.

    Raises:
        CourseError: (when it is applied) the two have different shapes.
    """

    def change(x: torch.Tensor) -> torch.Tensor:
        if source.shape[1:] != x.shape[1:] or len(source) not in (1, len(x)):
            raise CourseError(
                f"What is to be put in has the shape {list(source.shape)}, and here {list(x.shape)} passes: the two "
                f"texts must have equally many tokens."
            )
        x = x.clone()
        x[:, places] = source[:, places].to(x.dtype)
        return x

    return change


def patch_map(
    model: nn.Module,
    sites: Sequence[str],
    source: Mapping[str, torch.Tensor],
    ids: torch.Tensor,
    score: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """The score when one place of one site comes from another run, for each site and place: [sites, time].

    Args:
        model: ids [batch, time] -> logits [batch, time, vocab].
        sites: the rows of the map.
        source: site -> what passed it in the other run, [1, time, hidden]; see `record`.
        ids: the text that is read, [1, time].
        score: logits [batch, time, vocab] -> [batch].

    Raises:
        CourseError: there is no such site, it was not recorded, or the two texts have different numbers of tokens.
    """
    time = ids.shape[1]
    diagonal = torch.eye(time, dtype=torch.bool, device=ids.device)[:, :, None]  # row t gets place t
    rows = []
    for site in several(sites, "sites"):
        choose(site, list(source), "The recorded site")
        if source[site].shape[1] != time:
            raise CourseError(
                f"The texts must have equally many tokens, but one has {source[site].shape[1]} and the other {time}."
            )

        def change(x: torch.Tensor, other: torch.Tensor = source[site]) -> torch.Tensor:
            return torch.where(diagonal, other, x)

        with changed(model, {site: change}), torch.no_grad():
            rows.append(score(model(ids.expand(time, -1))))
    return torch.stack(rows)
