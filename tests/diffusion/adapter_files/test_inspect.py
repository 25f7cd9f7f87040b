"""What adapter files of every trainer are, and what is wrong with damaged ones."""

from __future__ import annotations

import json
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adapter_makers as makers
import numpy as np
import pytest
from adapter_makers import FAR, KEY, LDM, PEFT, QUERY, Arrays, dotted, kohya, lycoris, raw, save
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from running import harness_process

import harness
from harness.diffusion.adapter_files.factors import (
    Dense,
    Kron,
    Product,
    effective_rank,
    inner,
    kron,
)
from harness.diffusion.adapter_files.facts import read_facts
from harness.diffusion.adapter_files.summary import shared_space
from harness.diffusion.adapter_files.tensors import open_tensors
from harness.errors import HarnessError, MissingPrerequisite, UsageError
from harness.report.inspection import lines, picture


def facts(tensors: Arrays, folder: Path, metadata: dict[str, str] | None = None) -> Any:
    return harness.inspect(save(tensors, folder / "lora.safetensors", metadata)).files[0]


def energy(rank: int = 4, scale: float = 0.5) -> float:
    """Return ‖ΔW‖² of the three layers of the UNet, with every ΔW made."""
    pairs = [makers.pair(name, out, into, rank) for name, out, into in (QUERY, KEY, FAR)]
    return sum(float(((scale * up @ down).astype(np.float64) ** 2).sum()) for up, down in pairs)


OLD = (".processor.to_q_lora.up.weight", ".processor.to_q_lora.down.weight")
FORMS: dict[str, tuple[Callable[[], Arrays], str, str, float]] = {
    "kohya": (lambda: kohya(text=False), "kohya", "LoRA", 0.5),
    "kohya, diffusers names": (lambda: kohya(ldm=False, text=False), "kohya", "LoRA", 0.5),
    "diffusers": (lambda: dotted("unet.{}".format, PEFT), "diffusers", "LoRA", 1.0),
    "diffusers, before alphas": (
        lambda: dotted("unet.{}".format, (".lora.up.weight", ".lora.down.weight")),
        "diffusers",
        "LoRA",
        1.0,
    ),
    "PEFT": (lambda: dotted("base_model.model.{}".format, PEFT), "PEFT", "LoRA", 1.0),
    "PEFT, named": (
        lambda: dotted(
            "base_model.model.{}".format, (".lora_B.default.weight", ".lora_A.default.weight")
        ),
        "PEFT",
        "LoRA",
        1.0,
    ),
    "ComfyUI": (
        lambda: dotted(lambda name: f"diffusion_model.{LDM[name]}", PEFT),
        "ComfyUI",
        "LoRA",
        1.0,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_trainers_file_is_told_by_form_base_and_change(form: str, tmp_path: Path) -> None:
    make, name, kind, scale = FORMS[form]
    found = facts(make(), tmp_path)
    assert found["format"] == name
    assert found["base"]["family"] == "SDXL"
    assert found["kinds"] == {kind: 3}
    assert found["ranks"] == {"4": 3}
    assert found["parts"] == {"unet": 3}
    assert [each["block"] for each in found["blocks"]] == ["down_blocks.1", "up_blocks.0"]
    assert found["targets"] == {"attn1.to_q": 1, "attn2.to_k": 1, "attn2.to_v": 1}
    assert found["energy"] == pytest.approx(energy(scale=scale), rel=1e-5)
    assert not found["text_encoders"]
    assert not found["unknown"]
    assert not found["not_finite"]


@pytest.mark.parametrize(
    ("kind", "name", "rank"),
    [
        ("loha", "LoHa", "3"),
        ("lokr", "LoKr", "3"),
        ("dora", "DoRA", "3"),
        ("full", "full difference", None),
        ("oft", "OFT", None),
        ("ia3", "(IA)³", None),
    ],
)
def test_every_kind_of_adapter_is_known(
    kind: str, name: str, rank: str | None, tmp_path: Path
) -> None:
    found = facts(lycoris(kind), tmp_path)
    assert found["kinds"] == {name: 3}
    assert found["ranks"] == ({rank: 3} if rank else {})
    assert found["dead"] == []
    assert (found["energy"] is None) == (kind in ("oft", "ia3"))
    assert all((each["share"] is None) == (kind in ("oft", "ia3")) for each in found["blocks"])


def test_the_energy_of_loha_and_lokr_is_that_of_the_whole_matrix(tmp_path: Path) -> None:
    for kind in ("loha", "lokr"):
        tensors = lycoris(kind)
        whole = 0.0
        for name in (QUERY, KEY, FAR):
            key = "lora_unet_" + LDM[name[0]].replace(".", "_")
            own = {k.removeprefix(f"{key}."): v for k, v in tensors.items() if k.startswith(key)}
            if kind == "loha":
                product = (own["hada_w1_a"] @ own["hada_w1_b"]) * (
                    own["hada_w2_a"] @ own["hada_w2_b"]
                )
            else:
                product = np.kron(own["lokr_w1"], own["lokr_w2_a"] @ own["lokr_w2_b"])
            whole += float(((2 / 3 * product).astype(np.float64) ** 2).sum())
        assert facts(tensors, tmp_path)["energy"] == pytest.approx(whole, rel=1e-4)


def test_alphas_come_from_where_each_trainer_puts_them(tmp_path: Path) -> None:
    assert facts(kohya(text=False), tmp_path)["alpha_from"] == "the file"
    plain = dotted("unet.{}".format, PEFT)
    said = {"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": {"attn2.to_v": 2}}
    metadata = {"lora_adapter_metadata": json.dumps(said)}
    found = facts(plain, tmp_path, metadata)
    assert found["alphas"] == {"8": 2, "2": 1}
    assert found["alpha_from"] == "its metadata"
    beside = {"lora_alpha": 16, "r": 4, "use_rslora": True}
    (tmp_path / "adapter_config.json").write_text(json.dumps(beside))
    assert facts(plain, tmp_path)["energy"] == pytest.approx(energy(scale=8.0), rel=1e-5)


@pytest.mark.parametrize(
    ("keys", "family"),
    [
        ({"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k": 768}, "SD 1.5"),
        ({"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k": 1024}, "SD 2"),
        ({"lora_unet_double_blocks_0_img_attn_proj": 3072}, "FLUX.1"),
        ({"transformer.single_transformer_blocks.37.attn.to_q": 3072}, "FLUX.1"),
        ({"diffusion_model.single_blocks.47.linear1": 6144}, "FLUX.2"),
        ({"lora_unet_joint_blocks_0_x_block_attn_qkv": 1536}, "SD 3"),
        ({"transformer.transformer_blocks.0.attn.add_q_proj": 1536}, "SD 3"),
        ({"transformer.transformer_blocks.3.img_mlp.net.2": 3072}, "Qwen-Image"),
        ({"diffusion_model.double_blocks.0.img_attn_qkv": 3072}, "HunyuanVideo"),
        ({"diffusion_model.blocks.0.self_attn.q": 5120}, "Wan"),
        ({"transformer.noise_refiner.0.attention.to_q": 3840}, "Lumina 2 or Z-Image"),
        ({"diffusion_model.llm_adapter.blocks.0.self_attn.q_proj": 1024}, "Anima"),
        ({"transformer.transformer_blocks.0.attn1.to_q": 1152}, "PixArt"),
        ({"lora_te_text_model_encoder_layers_0_mlp_fc1": 768}, "SD 1.5 or 2"),
        ({"lora_te2_text_model_encoder_layers_0_mlp_fc1": 1280}, "SDXL"),
        ({"whatever.it.is": 10}, "unknown"),
    ],
)
def test_the_base_is_guessed_from_names_and_widths(
    keys: dict[str, int], family: str, tmp_path: Path
) -> None:
    tensors = {}
    for key, width in keys.items():
        tensors[f"{key}.lora_down.weight"] = np.ones((1, width), np.float32)
        tensors[f"{key}.lora_up.weight"] = np.ones((8, 1), np.float32)
    found = facts(tensors, tmp_path)
    assert found["base"]["family"] == family
    assert found["base"]["because"]


def test_kohyas_metadata_become_the_words_of_a_recipe(tmp_path: Path) -> None:
    metadata = {
        "ss_network_module": "lycoris.kohya",
        "ss_network_dim": "16",
        "ss_network_args": json.dumps({"algo": "lokr", "factor": "8"}),
        "ss_learning_rate": "0.0001",
        "ss_unet_lr": "None",
        "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit",
        "ss_num_epochs": "10",
        "ss_dataset_dirs": json.dumps({"5_ninja": {"n_repeats": 5, "img_count": 40}}),
        "ss_tag_frequency": json.dumps({"5_ninja": {"ninja style": 40, "1girl": 22}}),
        "modelspec.title": "ninja",
    }
    found = facts(lycoris("lokr"), tmp_path, metadata)
    assert found["trainer"] == "sd-scripts with LyCORIS"
    assert found["recipe"] == {
        "train.adapter.module": "lycoris.kohya",
        "train.adapter.rank": 16,
        "train.adapter.algo": "lokr",
        "train.adapter.factor": 8,
        "train.rate": 1e-4,
        "train.optimizer": "bitsandbytes.optim.adamw.AdamW8bit",
        "train.epochs": 10,
        "data.folders": {"5_ninja": {"n_repeats": 5, "img_count": 40}},
        "data.tags": {"ninja style": 40, "1girl": 22},
    }
    assert found["specification"] == {"title": "ninja"}


@pytest.mark.parametrize("said", ["{", "[1]", "[" * 9000, '{"a": NaN}', "x" * 5_000_000, "1e999"])
def test_metadata_that_make_no_sense_are_no_error(said: str, tmp_path: Path) -> None:
    names = ("ss_network_args", "ss_tag_frequency", "ss_dataset_dirs", "training_info", "train")
    metadata = dict.fromkeys((*names, "ss_learning_rate"), said)
    json.dumps(facts(kohya(), tmp_path, metadata), allow_nan=False)


def test_text_encoders_dead_and_unknown_layers_are_told(tmp_path: Path) -> None:
    tensors = kohya()
    key = "lora_unet_" + LDM[FAR[0]].replace(".", "_")
    tensors[f"{key}.lora_up.weight"] *= 0
    tensors["bundle_emb.ninja.string_to_param.*"] = np.ones(3, np.float32)
    found = facts(tensors, tmp_path)
    assert found["text_encoders"]
    assert found["parts"]["text_encoder_2"] == 1
    assert found["dead"] == [f"unet.{FAR[0]}"]
    assert found["extras"] == ["embeddings"]
    assert len(found["unknown"]) == 1


def test_a_layer_that_is_not_finite_is_named_and_has_no_energy(tmp_path: Path) -> None:
    tensors = kohya(text=False)
    key = "lora_unet_" + LDM[KEY[0]].replace(".", "_")
    tensors[f"{key}.lora_down.weight"][0, 0] = np.nan
    found = facts(tensors, tmp_path)
    assert found["not_finite"] == [f"unet.{KEY[0]}"]
    assert found["energy"] < energy()
    json.dumps(found, allow_nan=False)


def test_a_change_that_only_the_base_tells_is_not_called_0(tmp_path: Path) -> None:
    told = dict(lines(facts(lycoris("ia3"), tmp_path) | {"judgement": None}))
    assert told["‖ΔW‖"] == "– the file alone does not tell it"
    assert "alphas" not in told
    assert told["size"].startswith("19.7 kB")


def test_metadata_say_no_password_of_an_address(tmp_path: Path) -> None:
    found = facts(kohya(), tmp_path, {"ss_output_name": "https://me:abc123@host/x"})
    assert found["recipe"]["name"] == "https://…@host/x"
    assert "abc123" not in json.dumps(found)


def test_files_of_different_bases_are_said_to_be_so(tmp_path: Path) -> None:
    own = save(kohya(), tmp_path / "xl.safetensors")
    narrow = {"lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k": (640, 768)}
    other: Arrays = {}
    for name, (out, into) in narrow.items():
        up, down = makers.pair(name, out, into, 4)
        other |= {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
    said = str(harness.inspect([own, save(other, tmp_path / "old.safetensors")]))
    assert "made for different bases (SDXL, SD 1.5)" in " ".join(said.split())
    assert "different bases" not in str(harness.inspect([own, own]))


def test_half_precisions_are_read_as_they_are(tmp_path: Path) -> None:
    """BF16 and both formats of eight bits, against torch."""
    import torch
    from safetensors.torch import save_file

    values = torch.tensor([0.0, -0.0, 1.0, -1.5, 3.4e-3, 240.0, 2.0**-9, -416.0])
    kinds = {
        "bf16": torch.bfloat16,
        "e4m3": torch.float8_e4m3fn,
        "e5m2": torch.float8_e5m2,
        "f16": torch.float16,
        "f64": torch.float64,
    }
    save_file({k: values.to(kind) for k, kind in kinds.items()}, tmp_path / "x.safetensors")
    stored = open_tensors(tmp_path / "x.safetensors")
    for name, kind in kinds.items():
        wanted = values.to(kind).float().numpy()
        np.testing.assert_array_equal(stored[name], wanted)
    every = torch.arange(256, dtype=torch.uint8)
    for kind in (torch.float8_e4m3fn, torch.float8_e5m2):
        save_file({"all": every.view(kind)}, tmp_path / "y.safetensors")
        read = open_tensors(tmp_path / "y.safetensors")["all"]
        np.testing.assert_array_equal(read, every.view(kind).float().numpy())


def test_two_files_of_one_training_overlap_and_unrelated_ones_do_not(tmp_path: Path) -> None:
    a = save(kohya(text=False), tmp_path / "a.safetensors")
    b = save(dotted("unet.{}".format, PEFT, fold=3.0), tmp_path / "b.safetensors")
    other = {
        name: np.asarray(makers.numbers(name, *each.shape))
        for name, each in kohya(text=False).items()
    }
    c = save(other, tmp_path / "c.safetensors")
    same, unlike, _ = harness.inspect([a, b, c]).overlaps
    assert same["layers"] == 3, "two ways to name one layer are one layer"
    for name in ("cosine", "outputs", "inputs"):
        assert same[name] == pytest.approx(1, abs=1e-5)
        assert abs(unlike[name]) < 0.05
    assert same["together"] == pytest.approx((0.5 + 3) / np.hypot(0.5, 3), rel=1e-5)
    assert unlike["together"] == pytest.approx(1, abs=0.02)


def test_beside_its_base_a_change_has_a_size(tmp_path: Path) -> None:
    name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    weight = open_tensors(
        Path(harness.__file__).parent
        / "pocket/weights/sdxl/unet/diffusion_pytorch_model.safetensors"
    )[f"{name}.weight"]
    up, down = makers.pair(name, *weight.shape, 2)
    key = f"unet.{name}"
    file = save(
        {f"{key}.lora_B.weight": up, f"{key}.lora_A.weight": down}, tmp_path / "x.safetensors"
    )
    found = harness.inspect(file, base="pocket/sdxl").files[0]
    wanted = np.linalg.norm(up @ down) / np.linalg.norm(weight)
    assert found["relative"] == pytest.approx(wanted, rel=1e-4)
    assert found["blocks"][0]["relative"] == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(UsageError, match="not on this machine"):
        harness.inspect(file, base="OWNER/NAME")


matrices = arrays(np.float32, (5, 2), elements=st.floats(-2, 2, width=32))


@settings(max_examples=25)
@given(matrices, matrices, matrices, matrices, st.floats(0.1, 3))
def test_small_products_say_the_same_as_whole_matrices(
    a: Any, b: Any, c: Any, d: Any, scale: float
) -> None:
    one, other = Product(a, b.T, scale), Product(c, d.T, 1.0)
    dense = one.dense().astype(np.float64)
    near = {"rel": 1e-3, "abs": 1e-3}
    assert one.energy == pytest.approx(float((dense**2).sum()), **near)
    assert inner(one, other) == pytest.approx(float((dense * other.dense()).sum()), **near)
    both = Kron(one, other, 0.5)
    assert both.energy == pytest.approx(float((both.dense() ** 2).sum()), **near)
    assert np.allclose(both.dense(), 0.5 * np.kron(one.dense(), other.dense()), atol=1e-4)
    assert inner(both, both) == pytest.approx(both.energy, **near)
    apart = Dense(one, other, 2.0)
    assert apart.energy == pytest.approx(float(((2 * dense * other.dense()) ** 2).sum()), **near)
    values = np.linalg.svd(dense, compute_uv=False) ** 2
    rank = effective_rank(one)
    if rank is not None and values.sum() > 1e-2:
        assert rank == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-2)
        assert 0.99 <= rank <= 2.01


def test_kron_is_the_kronecker_product() -> None:
    a, b = makers.numbers("a", 2, 3), makers.numbers("b", 4, 5)
    np.testing.assert_allclose(kron(a, b, 3.0), 3 * np.kron(a, b), rtol=1e-6)


def test_shared_spaces_are_the_cosines_of_principal_angles() -> None:
    from scipy.linalg import subspace_angles

    a, b = makers.numbers("a", 30, 3), makers.numbers("b", 30, 5)
    wanted = float((np.cos(subspace_angles(a, b)) ** 2).mean())
    assert shared_space(a, b) == pytest.approx(wanted, rel=1e-4)
    assert shared_space(a, np.concatenate([a, b], 1)) == pytest.approx(1, rel=1e-4)
    assert shared_space(a, a * 0) == 0


GOOD = raw({"x.lora_up.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4)


def one(**changes: Any) -> bytes:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | changes
    return raw({"x.lora_up.weight": entry}, b"\0" * 4)


def two(**changes: Any) -> bytes:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]} | changes
    first = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    return raw({"a.alpha": first, "b.alpha": entry}, b"\0" * 8)


DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "five bytes": (b"12345", "cut short"),
    "cut in its header": (GOOD[:30], "cut short: its header has"),
    "cut in its data": (GOOD[:-2], "cut short: it should have"),
    "longer than it says": (GOOD + b"more", "4 bytes at its end belong to no tensor"),
    "a huge header": (raw(b"{}", length=10**17), "its header claims"),
    "no JSON": (raw(b"{'a': 1}"), "no JSON"),
    "not UTF-8": (raw(b'{"\xff": 1}'), "no JSON"),
    "a list": (raw(b"[1, 2]"), "no JSON"),
    "deep": (raw(b'{"a":' + b"[" * 200_000), "cannot be read"),
    "nothing inside": (raw({}), "it holds no tensor"),
    "a key twice": (raw(b'{"a": 1, "a": 2}'), "names a twice"),
    "too little said": (raw({"a": {"dtype": "F32"}}), "says too little of a"),
    "a strange type": (one(dtype="Q4_K"), "Q4_K, which is not known"),
    "a negative side": (one(shape=[-1]), "has the shape [-1]"),
    "a wrong length": (one(shape=[3]), "needs 12 bytes and has 4"),
    "a shape of truths": (one(shape=[True]), "has the shape"),
    "no offsets": (one(data_offsets=[0]), "lies at [0]"),
    "overlapping": (two(data_offsets=[0, 4]), "overlaps the tensor before it"),
    "with a gap": (two(data_offsets=[6, 10]), "lies behind a gap"),
    "metadata that is a list": (
        raw({"__metadata__": [1], "a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}),
        "its metadata is no table",
    ),
    "a pickle": (pickle.dumps({"a": 1}, protocol=4), "a pickle, which can run any program"),
    "a pickle in a zip": (b"PK\x03\x04" + b"\xff" * 60, "a pickle of PyTorch"),
    "a web page": (b"<!DOCTYPE html><html>" + b"x" * 60, "a web page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
}
assert len(DAMAGED) >= 20


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_by_what_is_wrong(name: str, tmp_path: Path) -> None:
    content, says = DAMAGED[name]
    (tmp_path / "x.safetensors").write_bytes(content)
    began = time.perf_counter()
    with pytest.raises(HarnessError) as caught:
        harness.inspect(tmp_path / "x.safetensors")
    assert time.perf_counter() - began < 1.5
    assert says in str(caught.value)
    assert "x.safetensors" in str(caught.value)
    assert len(str(caught.value)) < 600


def without(role: str) -> Arrays:
    return {key: value for key, value in kohya(text=False).items() if not key.endswith(role)}


def changed(role: str, value: Any) -> Arrays:
    tensors = kohya(text=False)
    key = next(key for key in tensors if key.endswith(role))
    return tensors | {key: value}


UNFIT: dict[str, tuple[Callable[[], Arrays], str]] = {
    "no up": (lambda: without(".lora_up.weight"), "up is missing"),
    "no down": (lambda: without(".lora_down.weight"), "down is missing"),
    "shapes apart": (
        lambda: changed(".lora_up.weight", np.ones((640, 5), np.float32)),
        "is no LoRA",
    ),
    "one side": (lambda: changed(".lora_down.weight", np.ones(4, np.float32)), "is no LoRA"),
    "no rank": (
        lambda: (
            changed(".lora_up.weight", np.ones((640, 0), np.float32))
            | changed(".lora_down.weight", np.ones((0, 640), np.float32))
        ),
        "its rank is 0",
    ),
    "several alphas": (lambda: changed(".alpha", np.ones(3, np.float32)), "its alpha is 3 numbers"),
    "endless alpha": (
        lambda: changed(".alpha", np.full((), np.inf, np.float32)),
        "its alpha is not a finite number",
    ),
    "whole numbers": (
        lambda: changed(".lora_up.weight", np.ones((640, 4), np.int32)),
        "I32, which are no weights",
    ),
    "half a LoHa": (
        lambda: {k: v for k, v in lycoris("loha").items() if "w2_b" not in k},
        "hada_w2_b is missing",
    ),
    "half a LoKr": (
        lambda: {k: v for k, v in lycoris("lokr").items() if "w1" not in k},
        "lokr_w1 is missing",
    ),
    "twice": (
        lambda: (
            kohya(text=False)
            | {
                key.replace(".lora_up.weight", ".lora_B.weight"): value
                for key, value in kohya(text=False).items()
                if key.endswith(".lora_up.weight")
            }
        ),
        "names the up of",
    ),
    "a whole model": (lambda: {"conv_in.weight": np.ones(3, np.float32)}, "holds no adapter"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_file_whose_parts_do_not_fit_is_refused_with_the_layer(name: str, tmp_path: Path) -> None:
    make, says = UNFIT[name]
    save(make(), tmp_path / "x.safetensors")
    with pytest.raises(HarnessError) as caught:
        read_facts(tmp_path / "x.safetensors")
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["x.pt", "x.ckpt", "x.bin"])
def test_pickles_are_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(UsageError, match="pickle"):
        harness.inspect(tmp_path / name)


def test_missing_files_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no.safetensors", tmp_path):
        with pytest.raises(MissingPrerequisite, match="cannot be read"):
            harness.inspect(path)


@pytest.mark.slow
def test_the_command_needs_no_network_library_and_a_second(tmp_path: Path) -> None:
    """A process of its own: what is loaded and how long it takes are what the test is about."""
    file = save(kohya(rank=32), tmp_path / "x.safetensors")
    began = time.perf_counter()
    for name in ("torch", "diffusers", "peft", "transformers"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    words = ("inspect", file, "--json", "--picture", tmp_path / "x.svg")
    ran = harness_process(*words, env={"PYTHONPATH": path})
    assert ran.code == 0, ran.err
    assert ran.json["files"][0]["base"]["family"] == "SDXL"
    assert time.perf_counter() - began < 15  # 0.7 s on an idle machine
    assert (tmp_path / "x.svg").read_text().startswith("<svg")


def test_a_strangers_words_are_no_markup_in_the_picture(tmp_path: Path) -> None:
    found = harness.inspect(save(kohya(), tmp_path / "a<b>.safetensors"))
    assert "<b>" not in picture(found.document())
    assert "change by block" in str(found)
