"""Every kind of adapter against the program that trains it: LyCORIS's own answers, and PEFT's.

`lycoris.safetensors` holds small layers with random adapters of lycoris-lora 4.1.3, and the
weights into which it merged each, at strength 1 and ½.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import FIXTURES

from harness.diffusion.adapter_files.beside import WeightChange
from harness.diffusion.adapter_files.factors import rank_of
from harness.diffusion.adapter_files.keys import kind_of, parse
from harness.diffusion.adapter_files.tensors import TensorFile, open_tensors

FILE = FIXTURES / "lycoris.safetensors"


def stored() -> TensorFile:
    return open_tensors(FILE)


CASES = sorted({name.split("|")[0] for name in stored().entries})
assert len(CASES) == 21


def change(case: str, file: TensorFile) -> WeightChange:
    roles = {}
    for key in file.entries:
        if key.startswith(f"{case}|x."):
            parsed = parse(key.split("|")[1])
            assert parsed is not None
            roles[parsed[1]] = file[key]
    kind = kind_of(roles)
    rank = rank_of(kind, roles)
    scale = float(roles["alpha"].reshape(())) / rank if rank and "alpha" in roles else 1.0
    return WeightChange(kind, roles, scale)


@pytest.mark.parametrize("case", CASES)
def test_a_layer_becomes_what_lycoris_makes_of_it(case: str) -> None:
    file = stored()
    weight, bias = file[f"{case}|weight"], file[f"{case}|bias"]
    found = change(case, file)
    found.require_fit(weight.shape)
    added, more = found.of(weight, bias)
    assert np.abs(weight + added - file[f"{case}|merged"]).max() <= 1e-5
    assert np.abs(added).max() > 1e-3
    if case != "oft-rescaled":  # there LyCORIS scales fully at any strength
        assert np.abs(weight + 0.5 * added - file[f"{case}|half"]).max() <= 1e-5
    assert (more is not None) == (f"{case}|merged_bias" in file.entries)
    if more is not None:
        assert np.abs(bias + more - file[f"{case}|merged_bias"]).max() <= 1e-5


@pytest.mark.parametrize("case", CASES)
def test_a_layer_of_another_size_is_refused(case: str) -> None:
    found = change(case, stored())
    shape = stored()[f"{case}|weight"].shape
    with pytest.raises(ValueError, match="met"):
        found.require_fit((shape[0] * 3, shape[1] * 3, *shape[2:]))


PEFT_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "lokr": ("LoKrConfig", {"r": 2, "alpha": 3}),
    "lokr both": ("LoKrConfig", {"r": 1, "alpha": 3, "decompose_both": True}),
    "lokr whole": ("LoKrConfig", {"r": 32, "alpha": 16}),
    "loha": ("LoHaConfig", {"r": 2, "alpha": 3}),
    "oft": ("OFTConfig", {"r": 0, "oft_block_size": 4, "use_cayley_neumann": False}),
    "oft series": ("OFTConfig", {"r": 0, "oft_block_size": 4}),
    "ia3 outputs": ("IA3Config", {"feedforward_modules": []}),
    "ia3 inputs": ("IA3Config", {"feedforward_modules": ["0"]}),
}


@pytest.mark.parametrize("case", PEFT_KINDS)
def test_a_layer_answers_as_it_does_in_peft(case: str) -> None:
    """PEFT's module on random inputs, beside the base's with the change added to its weights."""
    import peft
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer
    from torch import nn

    from harness.diffusion.other_layers import change_of_module

    name, options = PEFT_KINDS[case]
    torch.manual_seed(3)
    base = nn.Linear(12, 16)
    weight, bias = (each.detach().numpy().copy() for each in (base.weight, base.bias))
    config = getattr(peft, name)(target_modules=["0"], **options)
    model = peft.inject_adapter_in_model(config, nn.Sequential(base)).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data + 0.2 * torch.randn_like(parameter)
    (module,) = (each for each in model.modules() if isinstance(each, BaseTunerLayer))
    found = change_of_module(module, "default")
    found.require_fit(weight.shape)
    added, more = found.of(weight, bias)
    inputs = torch.randn(5, 12)
    wanted = model(inputs).detach().numpy()
    ours = inputs.numpy() @ (weight + added).T + (bias if more is None else bias + more)
    assert np.abs(ours - wanted).max() <= 1e-5
    assert np.abs(wanted - (inputs.numpy() @ weight.T + bias)).max() > 0.05
