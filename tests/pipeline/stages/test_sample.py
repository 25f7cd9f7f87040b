"""Sampling as a stage: what is attached at which scale, and what the index says of a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from schooling import recipe, school

from harness.diffusion.adapter_writer import FILE
from harness.errors import UsageError
from harness.interfaces import StageContext
from harness.pages.benchmark import Prompt, Sampler
from harness.pages.recipe import Attached, Base, Load, Prompting
from harness.pages.stages import SampleSpec
from harness.pipeline.stages.files import read_index
from harness.pipeline.stages.sample import sample

pytestmark = pytest.mark.slow

PROMPTS = (Prompt(id="p1", text="<ink>, 1girl, (red hair:1.2)"), Prompt(id="p2", text="a cat"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small adapter with text encoders, a new token and another prediction than its base's."""
    root = tmp_path_factory.mktemp("school")
    phases = [{"steps": 3, "rate": 1e-2, "token_rate": 1e-2, "text_encoder_rates": [1e-2, 1e-2]}]
    page = recipe(phases=phases, tokens=[{"name": "<ink>"}], prediction="v_prediction")
    school(page, root).train(root / "out")
    return root / "out"


def spec(scale: float = 1.0, load: Load | None = None, **changes: Any) -> SampleSpec:
    sampler = {"steps": 3, "guidance": 4.0, "width": 64, "height": 64, "adapter_scale": scale}
    fields: dict[str, Any] = {
        "base": Base(model="pocket/sdxl"),
        "pins": {},
        "load": load,
        "adapter_digest": load.digest() if load else None,
        "prompts": PROMPTS,
        "seeds": (1,),
        "prompting": Prompting(prefix="ink style"),
        "sampler": Sampler(**sampler | changes.pop("sampler", {})),
        **changes,
    }
    return SampleSpec(**fields)


def drawn(asked: SampleSpec, out: Path, trained: Path | None = None) -> dict[str, bytes]:
    out.mkdir()
    sample(asked, StageContext(out, {"train": trained} if trained else {}))
    return {file.name: file.read_bytes() for file in sorted((out / "images").iterdir())}


def loaded(*adapters: tuple[Path, float]) -> Load:
    return Load(adapters=tuple(Attached(file=str(file), scale=scale) for file, scale in adapters))


def test_a_trained_adapter_at_scale_0_leaves_the_base_to_the_byte(
    trained: Path, tmp_path: Path
) -> None:
    base = drawn(spec(), tmp_path / "base")
    told = {"prediction": "v_prediction"}
    assert len(base) == 2
    assert drawn(spec(0.0, **told), tmp_path / "none", trained) == base
    assert drawn(spec(1.0, **told), tmp_path / "whole", trained) != base


def test_loaded_adapters_at_scale_0_leave_the_base_to_the_byte(
    trained: Path, tmp_path: Path
) -> None:
    base = drawn(spec(), tmp_path / "base")
    file = trained / FILE
    for number, load in enumerate(
        (Load(adapter=str(file)), loaded((file, 1.0), (file, 0.5)), loaded((file, 0.0)))
    ):
        scale = 1.0 if number == 2 else 0.0
        assert drawn(spec(scale, load), tmp_path / str(number)) == base
    assert drawn(spec(1.0, Load(adapter=str(file))), tmp_path / "whole") != base


def test_one_adapter_in_a_list_is_that_adapter(trained: Path, tmp_path: Path) -> None:
    file = trained / FILE
    one = drawn(spec(1.0, Load(adapter=str(file))), tmp_path / "one")
    assert drawn(spec(1.0, loaded((file, 1.0))), tmp_path / "list") == one
    assert drawn(spec(0.5, loaded((file, 2.0))), tmp_path / "scaled") == one


def test_tokens_of_several_adapters_are_taught_together(trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / FILE).write_bytes((trained / FILE).read_bytes())
    rows = load_file(trained / "embeddings.safetensors")
    token = '[{"name": "<wash>", "vectors": 2}]'
    save_file(rows, other / "embeddings.safetensors", metadata={"tokens": token})
    asked = (Prompt(id="p1", text="<ink>, 1girl"), Prompt(id="p2", text="<wash>, 1girl"))
    load = loaded((trained / FILE, 0.5), (other / FILE, 0.5))
    images = drawn(spec(1.0, load, prompts=asked), tmp_path / "out")
    plain = tuple(each.model_copy(update={"text": "1girl"}) for each in asked)
    assert (
        images["p2_1.png"] != drawn(spec(1.0, load, prompts=plain), tmp_path / "plain")["p2_1.png"]
    )


def test_an_adapter_that_changes_meanwhile_is_refused(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "lora.safetensors"
    file.write_bytes((trained / FILE).read_bytes())
    asked = spec(1.0, loaded((file, 1.0)))
    file.write_bytes(b"another")
    with pytest.raises(UsageError, match="changed while being read"):
        drawn(asked, tmp_path / "out")


@pytest.mark.parametrize(
    ("style", "shown"),
    [("plain", "<ink>, 1girl, (red hair:1.2)"), ("webui", "<ink>, 1girl, red hair")],
)
def test_what_is_scored_is_the_wording_without_weights(
    tmp_path: Path, style: str, shown: str
) -> None:
    drawn(spec(sampler={"prompt_style": style}), tmp_path / "out")
    entries = {entry.id: entry.text for entry in read_index(tmp_path / "out")}
    assert entries == {"p1": shown, "p2": "a cat"}


def test_a_prompts_own_negative_reaches_the_image(tmp_path: Path) -> None:
    cat = Prompt(id="p", text="a cat")
    against = cat.model_copy(update={"negative": "cat"})
    first, second = (
        drawn(spec(prompts=(each,)), tmp_path / name) for each, name in ((cat, "a"), (against, "b"))
    )
    assert first != second


def test_an_image_that_changes_between_a_kill_and_its_resume_is_drawn_again(
    tmp_path: Path,
) -> None:
    whole = drawn(spec(), tmp_path / "whole")
    image = tmp_path / "whole/images/p1_1.png"
    image.write_bytes(image.read_bytes()[:-20])
    sample(spec(), StageContext(tmp_path / "whole", {}))
    assert {file: (tmp_path / "whole/images" / file).read_bytes() for file in whole} == whole
