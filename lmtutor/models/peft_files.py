"""LoRA of a Llama in a folder as the package `peft` writes and reads it, with a fingerprint of the base. Chapter 12."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import torch

from lmtutor.models import adapters
from lmtutor.models.llama import NAMES, Llama
from lmtutor.runtime import CourseError, choose

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# What we call a linear map, and what transformers does.
THEIRS = {ours: theirs for theirs, ours in NAMES.items() if theirs.endswith("_proj")}


def save(model: Llama, name: str, folder: str | Path, *, base: str | None = None) -> None:
    """Write a change by LoRA, in float16.

    Args:
        model: with the change in it.
        name: of the change.
        folder: is made if it is not there.
        base: fingerprint of what the change belongs to, if not of the model as it is: of the unrounded one, where the
            model's matrices are in four bits.

    Raises:
        CourseError: there is no change by that name, or it is of another method.
    """
    from safetensors.torch import save_file

    about = model.adapters[choose(name, adapters.names(model), "The change")] if adapters.names(model) else {}
    if about.get("method") != "lora":
        raise CourseError(f"Only LoRA is kept as `peft` keeps it, and {name!r} is no such change of this model.")
    weights, maps = {}, set()
    for part_name, part in model.named_modules():
        if isinstance(part, adapters.Adapted) and name in part.changes:
            stem = _theirs(part_name)
            maps.add(stem.rpartition(".")[2])
            change = part.changes[name]
            for letter, weight in (("A", change.a), ("B", change.b)):
                weights[f"{stem}.lora_{letter}.weight"] = weight.detach().half().cpu().contiguous()
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "r": about.get("rank", 8),
        "lora_alpha": about.get("alpha", 16.0),
        "use_rslora": about.get("stabilised", False),
        "lora_dropout": about.get("dropout", 0.0),
        "target_modules": sorted(maps),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt", "base": base or fingerprint(model)})


def load(model: Llama, name: str, folder: str | Path) -> int:
    """Put LoRA from a folder into a model, and switch it on.

    A file that `peft` itself wrote says nothing of its base, so that only its shapes can be held against the model.

    Args:
        model: the base, not rounded to four bits yet; other changes may be in it.
        name: what the change shall be called.
        folder: as `save` or `peft` wrote it.

    Returns:
        How many parameters it has.

    Raises:
        CourseError: the folder cannot be read, holds something else than LoRA, or belongs to another base.
    """
    from safetensors import SafetensorError, safe_open

    folder = Path(folder)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        with safe_open(folder / WEIGHTS, framework="pt") as opened:
            made_for = (opened.metadata() or {}).get("base")
            weights = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - no mapping
    except (OSError, ValueError, SafetensorError) as error:
        raise CourseError(
            f"{str(folder)!r} holds no change that can be read ({type(error).__name__}): {error}"
        ) from None
    if config.get("peft_type") != "LORA" or config.get("use_dora") or config.get("bias", "none") != "none":
        raise CourseError(f"{str(folder)!r} holds no plain LoRA but {config.get('peft_type')!r} or a variant of it.")
    if made_for and made_for != (own := fingerprint(model)):
        raise CourseError(
            f"The adapter in {folder.name!r} was trained on another base (fingerprint {made_for}, and this model has "
            f"{own}): load it into the model that it was trained on."
        )
    ours = {theirs: own for own, theirs in THEIRS.items()}
    ends = "|".join(ours.get(one, re.escape(one)) for one in config["target_modules"])
    shapes = {_theirs(found): part for found, part in model.named_modules() if re.search(rf"\.({ends})$", found)}
    for key, weight in weights.items():
        part = shapes.get(re.sub(r"\.lora_[AB]\.weight$", "", key))
        if part is None or weight.shape[-1 if ".lora_A." in key else 0] != (
            part.in_features if ".lora_A." in key else part.out_features
        ):
            raise CourseError(f"The adapter in {folder.name!r} was trained on another base: {key!r} does not fit.")
    options = {"rank": config["r"], "alpha": config["lora_alpha"], "stabilised": config.get("use_rslora", False)}
    count = adapters.add(model, name, "lora", targets=ends, **options)
    with torch.no_grad():
        for part_name, part in model.named_modules():
            if isinstance(part, adapters.Adapted) and name in part.changes:
                for letter in "AB":
                    key = f"{_theirs(part_name)}.lora_{letter}.weight"
                    if key not in weights:
                        raise CourseError(f"The adapter in {folder.name!r} was trained on another base: no {key!r}.")
                    getattr(part.changes[name], letter.lower()).copy_(weights[key])
    return count


def fingerprint(model: Llama) -> str:
    """Sixteen hexadecimal digits of the base's weights, rounded to bfloat16, so that its precision does not matter."""
    digest = hashlib.sha256()
    for name, weight in sorted(adapters.base_parameters(model)):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().to("cpu", torch.bfloat16).contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _theirs(name: str) -> str:
    """layers.0.attention.query -> what `peft` calls it: base_model.model.model.layers.0.self_attn.q_proj."""
    stem, _, last = re.sub(r"\.base(?=\.|$)", "", name).rpartition(".")
    stem = stem.replace("attention", "self_attn").replace("feed_forward", "mlp")
    return f"base_model.model.model.{stem}.{THEIRS.get(last, last)}"
