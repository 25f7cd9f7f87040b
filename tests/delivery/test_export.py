"""`harness export`: the file behind a result, for others, with a card; a hub only where asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig
from running import harness
from safetensors import safe_open
from safetensors.torch import load_file

from harness import __version__, export
from harness.delivery.export.model_card import loads_in_diffusers
from harness.delivery.export.trained_adapter import find_adapter
from harness.diffusion.adapter_writer import FILE, save_adapter
from harness.diffusion.attachment import attach
from harness.diffusion.load import load_pipeline
from harness.diffusion.schedulers import set_prediction
from harness.diffusion.tokens import save_tokens
from harness.errors import MissingPrerequisite, PageError, StoreError, UsageError
from harness.files import write_text
from harness.pages import benchmark
from harness.pages.data import Caption, Data
from harness.pages.recipe import Base, Recipe
from harness.pages.train import Adapter, Token, Train
from harness.pipeline.plan import RunPlan, plan
from harness.pipeline.results.read import read_result
from harness.pipeline.stages.files import Entry, write_index
from harness.pipeline.store.local import Store
from harness.records import Accounting, Result, Score

RANK, ALPHA, CHECKPOINT = 4, 2.0, 8
PUSHED = "someone/ink"


def recipe(**adapter: Any) -> Recipe:
    """Return a recipe whose words would like to be more than words."""
    train = {
        "method": "lora",
        "adapter": {"rank": RANK, "alpha": ALPHA, **adapter},
        "resolution": 64,
        "batch": 2,
        "accumulation": 2,
        "optimizer": {"use": "adamw"},
        "snr_gamma": 5.0,
        "phases": [{"steps": 20, "rate": 1e-3, "schedule": "cosine", "warmup": 2}],
        "checkpoint_every": 8,
        "seed": 3,
    }
    return Recipe(
        name="ink",
        summary="Bold | lines <script>alert(1)</script> [x](http://x) `y`",
        base=Base(model="pocket/sdxl"),
        data=Data.model_validate(
            {
                "source": {"use": "pocket", "set": "ninja", "count": 40},
                "caption": Caption(prefix="inkstyle"),
            },
        ),
        train=Train.model_validate_json(json.dumps(train)),
    )


@dataclass(frozen=True)
class Place:
    """A store with one trained adapter, and the result that judged it."""

    store: Path
    result: Path
    plan: RunPlan

    @property
    def train(self) -> Path:
        key = self.plan.step("train").key
        return self.store / "train" / key[:2] / key


def trained(root: Path, made: Recipe, config: LoraConfig) -> Place:
    """Fill a store as a run would: what the stages leave is real, but nothing was trained."""
    house, planned = Store(root / "store"), plan(made, benchmark.load("pocket-v1"))

    def data(folder: Path) -> None:
        write_index(folder, [Entry(f"{n}", 0, "ninja", f"images/{n}.png") for n in range(40)])

    def train(folder: Path) -> None:
        models = {}
        for seed, where in ((1, folder / f"checkpoints/{CHECKPOINT:06d}"), (2, folder)):
            where.mkdir(parents=True, exist_ok=True)
            models = {"unet": adapted(config, seed)}
            save_adapter(models, where, {"base": "pocket/sdxl"})

    works: dict[str, Callable[[Path], None]] = {"data": data, "train": train}
    for name in ("data", "texts", "latents", "train"):
        house.get_or_make(planned.step(name), works.get(name, lambda folder: None))
    return Place(house.root, result_of(planned, root / "reports" / "ink.json"), planned)


def adapted(config: LoraConfig, seed: int) -> torch.nn.Module:
    unet = load_pipeline(Base(model="pocket/sdxl"), None, "ddim", None, "cpu", "fp32").unet
    torch.manual_seed(seed)
    unet.add_adapter(config)
    for name, parameter in unet.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.05)
    return unet.eval()


def result_of(planned: RunPlan, file: Path, **changes: Any) -> Path:
    result = Result(
        recipe=planned.recipe,
        benchmark="pocket-v1",
        signature=planned.signature,
        protocol=planned.protocol,
        summary=planned.summary,
        origin="trained",
        training_seeds=(3,),
        keys=planned.keys(),
        images=Accounting(expected=12, generated=12, failed=0, scored=12),
        scores=(
            Score(metric="kid", value=0.0123, low=0.01, high=0.015, n=12, higher_is_better=False),
            Score(
                metric="aesthetic",
                value=None,
                low=None,
                high=None,
                n=0,
                higher_is_better=True,
                reason="no <b>judge</b>",
            ),
        ),
    ).model_copy(update=changes)
    write_text(file, result.model_dump_json())
    return file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets)
    return trained(tmp_path_factory.mktemp("house"), recipe(), config)


def metadata_of(file: Path) -> dict[str, str]:
    with safe_open(file, "pt") as stored:
        known: dict[str, str] = stored.metadata()
    return known


def tensor_bytes(file: Path) -> bytes:
    content = file.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


def noise(file: Path, weights: str | None = None) -> torch.Tensor:
    """Return what the pocket's UNet says with an adapter, loaded by diffusers or by us."""
    pipeline = load_pipeline(Base(model="pocket/sdxl"), None, "ddim", None, "cpu", "fp32")
    if weights is None:
        attach(pipeline, file, 1.0)
    else:
        pipeline.load_lora_weights(str(file), weight_name=weights)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        said: torch.Tensor = pipeline.unet(
            torch.randn((1, 16, 8, 8), generator=generator),
            400,
            torch.randn((1, 77, 128), generator=generator),
            added_cond_kwargs={
                "text_embeds": torch.zeros(1, 64),
                "time_ids": torch.tensor([[64, 64, 0, 0, 64, 64]]),
            },
        ).sample
    return said


def test_diffusers_gets_a_folder_that_it_loads_as_it_is(place: Place, tmp_path: Path) -> None:
    written = export(place.result, tmp_path / "out", to="diffusers", store=place.store)
    names = ["pytorch_lora_weights.safetensors", "README.md"]
    assert [file.name for file in written.files] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    there = noise(tmp_path / "out", names[0])
    assert (there - noise(place.train / FILE)).abs().max() < 1e-6
    assert written.url is None


def test_kohya_gets_a_file_and_what_a1111_keeps_beside_it(place: Place, tmp_path: Path) -> None:
    written = export(place.result, tmp_path / "out", to="kohya", store=place.store)
    assert [file.name for file in written.files] == ["ink.safetensors", "ink.json", "README.md"]
    tensors = load_file(tmp_path / "out" / "ink.safetensors")
    key = "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q"
    assert tensors[f"{key}.alpha"].item() == ALPHA
    assert tensors[f"{key}.lora_down.weight"].shape == (RANK, 160)
    assert (noise(written.files[0]) - noise(place.train / FILE)).abs().max() < 1e-6
    beside = json.loads((tmp_path / "out" / "ink.json").read_text())
    assert beside["sd version"] == "SDXL"
    assert beside["activation text"] == "inkstyle"
    assert beside["preferred weight"] == 1.0


@pytest.mark.parametrize("form", ["diffusers", "kohya"])
def test_trap_no_export_passes_for_stable_diffusion_1(
    form: str, place: Place, tmp_path: Path
) -> None:
    """Trap: A1111 holds a file with any metadata for SD 1 unless it names SDXL."""
    for strip in (False, True):
        out = tmp_path / f"{strip}"
        file = export(place.result, out, to=form, store=place.store, strip_metadata=strip).files[0]
        assert metadata_of(file)["ss_base_model_version"].startswith("sdxl_")


def test_the_metadata_is_what_interfaces_read(place: Place, tmp_path: Path) -> None:
    file = export(place.result, tmp_path, to="kohya", store=place.store).files[0]
    known = metadata_of(file)
    assert known["ss_network_dim"] == "4"
    assert known["ss_network_alpha"] == "2.0"
    assert known["ss_network_module"] == "networks.lora"
    assert known["ss_v2"] == "False"
    assert json.loads(known["ss_network_args"]) == {}
    assert known["ss_output_name"] == "ink"
    assert known["ss_resolution"] == "(64, 64)"
    assert known["ss_max_train_steps"] == "20"
    assert known["ss_learning_rate"] == "0.001"
    assert known["ss_min_snr_gamma"] == "5.0"
    assert known["ss_total_batch_size"] == "4"
    assert known["ss_seed"] == "3"
    assert json.loads(known["ss_dataset_dirs"]) == {
        "pocket/ninja": {"n_repeats": 1, "img_count": 40}
    }
    assert json.loads(known["ss_tag_frequency"]) == {"pocket/ninja": {"inkstyle": 40}}
    assert known["modelspec.sai_model_spec"] == "1.0.1"
    assert known["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    assert known["modelspec.trigger_phrase"] == "inkstyle"
    assert known["modelspec.prediction_type"] == "epsilon"
    assert known["modelspec.resolution"] == "64x64"
    digest = sha256(tensor_bytes(file)).hexdigest()
    assert known["modelspec.hash_sha256"] == f"0x{digest}"
    assert known["sshs_model_hash"] == digest
    assert known["harness.recipe"] == "ink"
    assert known["harness.signature"] == place.plan.signature
    assert known["harness.version"] == __version__
    assert str(place.store) not in json.dumps(known)


def test_stripped_metadata_leaves_what_loaders_need(place: Place, tmp_path: Path) -> None:
    needed = {
        "format",
        "ss_base_model_version",
        "ss_v2",
        "ss_network_module",
        "ss_network_dim",
        "ss_network_alpha",
        "ss_network_args",
    }
    for form, more in (("kohya", set()), ("diffusers", {"lora_adapter_metadata"})):
        out = tmp_path / form
        file = export(place.result, out, to=form, store=place.store, strip_metadata=True).files[0]
        assert set(metadata_of(file)) == needed | more
        assert (noise(file) - noise(place.train / FILE)).abs().max() < 1e-6


@pytest.mark.parametrize("form", ["diffusers", "kohya"])
def test_an_export_is_the_same_bytes_every_time(form: str, place: Place, tmp_path: Path) -> None:
    one = export(place.result, tmp_path / "one", to=form, store=place.store).files
    export(place.result, tmp_path / "two", to=form, store=place.store)
    two = export(place.result, tmp_path / "two", to=form, store=place.store).files
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]


def test_a_checkpoints_result_exports_the_checkpoint(place: Place, tmp_path: Path) -> None:
    planned = plan(recipe(), benchmark.load("pocket-v1"), CHECKPOINT)
    result = result_of(planned, tmp_path / "ink.step8.json")
    file = export(result, tmp_path / "out", to="kohya", store=place.store).files[0]
    assert file.name == "ink.step8.safetensors"
    assert metadata_of(file)["ss_steps"] == "8"
    kept = place.train / "checkpoints" / "000008" / FILE
    assert (noise(file) - noise(kept)).abs().max() < 1e-6
    assert (noise(file) - noise(place.train / FILE)).abs().max() > 1e-3
    missing = result_of(plan(recipe(), benchmark.load("pocket-v1"), 9), tmp_path / "other.json")
    with pytest.raises(StoreError, match="no checkpoint after step 9"):
        export(missing, tmp_path / "other", to="kohya", store=place.store)


@pytest.mark.slow
def test_dora_and_rslora_say_so(tmp_path: Path) -> None:
    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=["to_q"], use_dora=True, use_rslora=True
    )
    place = trained(tmp_path, recipe(dora=True, rslora=True), config)
    file = export(place.result, tmp_path / "out", to="kohya", store=place.store).files[0]
    assert {key.split(".", 1)[1] for key in load_file(file)} == {
        "lora_down.weight",
        "lora_up.weight",
        "alpha",
        "dora_scale",
    }
    assert metadata_of(file)["ss_network_alpha"] == "4.0"
    card = (tmp_path / "out" / "README.md").read_text()
    assert "DoRA, rsLoRA" in card
    assert "ComfyUI norms" in card
    assert "load_lora_weights" not in card
    assert (noise(file) - noise(place.train / FILE)).abs().max() < 1e-6


def test_no_card_says_that_diffusers_loads_what_it_cannot() -> None:
    assert loads_in_diffusers(Adapter(rank=4))
    for other in ({"dora": True}, {"ranks": {"mid": 8}}, {"use": "lokr"}):
        assert not loads_in_diffusers(Adapter.model_validate({"rank": 4, **other}))


def test_the_card_says_what_it_is_and_what_it_is_not(place: Place, tmp_path: Path) -> None:
    card = export(place.result, tmp_path, to="diffusers", store=place.store).files[-1].read_text()
    front, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert 'base_model: "pocket/sdxl"' in front
    assert "library_name: diffusers" in front
    assert 'instance_prompt: "inkstyle"' in front
    assert '  - "lora"' in front
    assert "| kid | lower | 0.0123 \\[0.0100, 0.0150\\] | 12 |" in body
    assert "unavailable (no &lt;b&gt;judge&lt;/b&gt;)" in body
    assert f"signature `{place.plan.signature}`" in body
    assert "| rank | 4 |" in body
    assert "20 steps at 0.001, cosine, 2 of warm-up" in body
    assert "pocket/ninja (40 pictures)" in body
    assert "A toy" in body
    assert 'weight_name="pytorch_lora_weights.safetensors"' in body


def test_a_strangers_words_are_no_markup(place: Place, tmp_path: Path) -> None:
    card = export(place.result, tmp_path, to="diffusers", store=place.store).files[-1].read_text()
    assert "<script" not in card
    assert "\nBold \\| lines &lt;script&gt;" in card
    assert "\\[x\\](http://x) \\`y\\`" in card


def test_the_front_matter_is_yaml_whatever_the_trigger(tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    made = recipe()
    assert made.data is not None
    trigger = 'a "b": [c]\n---\n# d ``` <e> & \' {f}'
    data = made.data.model_copy(update={"caption": Caption(prefix=trigger)})
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["to_q"])
    place = trained(tmp_path, made.model_copy(update={"data": data}), config)
    card = export(place.result, tmp_path / "out", to="diffusers", store=place.store).files[-1]
    front = card.read_text().removeprefix("---\n").partition("\n---\n")[0]
    assert YAML(typ="safe").load(front)["instance_prompt"] == trigger
    snippet = card.read_text().split("```python\n")[1].split("\n```")[0]
    compile(snippet, "card", "exec")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prediction", "zero_terminal"),
    [(None, False), ("v_prediction", False), ("v_prediction", True)],
)
def test_the_cards_own_words_build_the_scheduler_that_was_judged(
    prediction: str | None, zero_terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = recipe()
    assert made.train is not None
    changes = {"prediction": prediction, "zero_terminal_snr": zero_terminal}
    train = made.train.model_copy(update=changes)
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["to_q"])
    place = trained(tmp_path, made.model_copy(update={"train": train}), config)
    written = export(place.result, tmp_path / "out", to="diffusers", store=place.store)
    monkeypatch.chdir(tmp_path / "out")
    there: dict[str, Any] = {}
    loading = written.files[-1].read_text().split("```python\n")[1].split("image = ")[0]
    exec(compile(loading, "card", "exec"), there)
    said = there["pipeline"].scheduler
    judged = load_pipeline(Base(model="pocket/sdxl"), None, "euler", None, "cpu", "fp32")
    set_prediction(judged, prediction, zero_terminal)
    assert said.config == judged.scheduler.config
    for scheduler in (said, judged.scheduler):
        scheduler.set_timesteps(7)
    assert torch.equal(said.timesteps, judged.scheduler.timesteps)
    assert torch.equal(said.sigmas, judged.scheduler.sigmas)


def test_embeddings_travel_along_and_the_cards_own_words_load_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = (Token(name="<ink>", vectors=2), Token(name="<brush>", vectors=1))
    rows = [torch.randn(3, 64), torch.randn(3, 64)]
    made = recipe()
    assert made.train is not None
    phases = [phase.model_copy(update={"token_rate": 1e-3}) for phase in made.train.phases]
    train = made.train.model_copy(update={"tokens": tokens, "phases": tuple(phases)})
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["to_q"])
    place = trained(tmp_path, made.model_copy(update={"train": train}), config)
    save_tokens(rows, tokens, place.train)
    written = export(place.result, tmp_path / "out", to="diffusers", store=place.store)
    assert "embeddings.safetensors" in {file.name for file in written.files}
    card = written.files[-1].read_text()
    assert 'instance_prompt: "inkstyle, \\u003cink\\u003e, \\u003cbrush\\u003e"' in card
    monkeypatch.chdir(tmp_path / "out")
    there: dict[str, Any] = {}
    loading = card.split("```python\n")[1].split("image = ")[0]
    exec(compile(loading, "card", "exec"), there)
    pipeline = there["pipeline"]
    vocabulary = pipeline.tokenizer_2.get_vocab()
    known = pipeline.text_encoder_2.get_input_embeddings().weight
    ids = [vocabulary[word] for word in ("<ink>", "<ink>_1", "<brush>")]
    assert torch.equal(known[ids].detach(), rows[1])


def test_a_base_in_a_folder_of_this_machine_keeps_its_place_to_itself(
    place: Place, tmp_path: Path
) -> None:
    found = find_adapter(place.result, Store(place.store))
    spec = found.spec.model_copy(update={"base": Base(model=str(tmp_path))})
    assert replace(found, spec=spec).base == tmp_path.name
    assert found.base == "pocket/sdxl"


def without_training(planned: RunPlan, file: Path) -> Path:
    keys = {name: key for name, key in planned.keys().items() if name != "train"}
    return result_of(planned, file, keys=keys, origin="loaded")


def test_what_is_no_trained_lora_is_refused(place: Place, tmp_path: Path) -> None:
    loaded = without_training(place.plan, tmp_path / "loaded.json")
    with pytest.raises(UsageError, match="is no trained LoRA: it was loaded"):
        export(loaded, tmp_path / "out", to="kohya", store=place.store)
    with pytest.raises(StoreError, match=r"is not in .*make it again: harness run ink"):
        export(place.result, tmp_path / "out", to="kohya", store=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="there is no file"):
        export(tmp_path / "nothing.json", tmp_path / "out", to="kohya", store=place.store)
    with pytest.raises(UsageError, match="no form 'comfy'"):
        export(place.result, tmp_path / "out", to="comfy", store=place.store)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../../evil", "a/b", "", "A B", "x\ny"])
def test_a_result_cannot_name_a_file_elsewhere(name: str, place: Place, tmp_path: Path) -> None:
    result = result_of(place.plan, tmp_path / "result.json", recipe=name)
    refusal = "calls its recipe" if name.isprintable() and name else "recipe is empty, has control"
    with pytest.raises((UsageError, PageError), match=refusal):
        export(result, tmp_path / "out", to="kohya", store=place.store)


def test_a_changed_adapter_is_not_exported(tmp_path: Path) -> None:
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["to_q"])
    place = trained(tmp_path, recipe(), config)
    with (place.train / FILE).open("ab") as stream:
        stream.write(b"!")
    with pytest.raises(StoreError, match="has changed since it was made"):
        export(place.result, tmp_path / "out", to="kohya", store=place.store)


def test_a_page_that_is_not_ours_is_never_overwritten(place: Place, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("My project")
    with pytest.raises(UsageError, match=r"README\.md is there already"):
        export(place.result, tmp_path, to="kohya", store=place.store)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "My project"


@dataclass
class Shelf:
    """A hub in memory."""

    public: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    uploads: dict[str, list[str]] = field(default_factory=dict)

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        if repo_id in self.public | self.private:
            assert exist_ok
            return
        (self.private if private else self.public).add(repo_id)

    def repo_info(self, repo_id: str) -> Any:
        return SimpleNamespace(private=repo_id in self.private)

    def upload_folder(
        self, *, repo_id: str, folder_path: str, allow_patterns: list[str], commit_message: str
    ) -> None:
        there = {path.name for path in Path(folder_path).iterdir()}
        assert commit_message
        self.uploads[repo_id] = sorted(there & set(allow_patterns))


class Closed(Shelf):
    """A hub that nobody may write to."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        raise OSError("401 Client Error: token is needed\nwith much more to say")


def test_nothing_is_pushed_unasked(place: Place, tmp_path: Path) -> None:
    shelf = Shelf()
    export(place.result, tmp_path, to="kohya", store=place.store, hub=shelf)
    assert shelf == Shelf()


def test_a_push_is_private_and_carries_only_the_export(place: Place, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("mine")
    shelf = Shelf()
    written = export(place.result, tmp_path, to="kohya", store=place.store, push=PUSHED, hub=shelf)
    assert shelf.private == {PUSHED}
    assert shelf.public == set()
    assert shelf.uploads == {PUSHED: ["README.md", "ink.json", "ink.safetensors"]}
    assert written.url == f"https://huggingface.co/{PUSHED}"
    assert f'load_lora_weights("{PUSHED}"' in (tmp_path / "README.md").read_text()


def test_a_push_is_public_only_where_told(place: Place, tmp_path: Path) -> None:
    shelf = Shelf()
    export(
        place.result, tmp_path, to="kohya", store=place.store, push=PUSHED, public=True, hub=shelf
    )
    assert shelf.public == {PUSHED}


def test_a_private_push_never_lands_where_the_world_sees_it(place: Place, tmp_path: Path) -> None:
    shelf = Shelf(public={PUSHED})
    with pytest.raises(UsageError, match="is there already, and public"):
        export(place.result, tmp_path, to="kohya", store=place.store, push=PUSHED, hub=shelf)
    assert shelf.uploads == {}


def test_a_hub_that_says_no_is_an_error_with_a_way_out(place: Place, tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="401 Client Error: token is needed") as caught:
        export(place.result, tmp_path, to="kohya", store=place.store, push=PUSHED, hub=Closed())
    assert "hf auth login" in str(caught.value)
    assert "much more" not in str(caught.value)
    assert (tmp_path / "ink.safetensors").is_file()


@pytest.mark.parametrize("name", ["ink", "a/b/c", "../ink", "a/..", "a b/c", ""])
def test_a_push_needs_an_owner_and_a_name(name: str, place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no place on the hub"):
        export(
            place.result, tmp_path / "out", to="kohya", store=place.store, push=name, hub=Shelf()
        )
    assert not (tmp_path / "out").exists()


def test_public_without_push_is_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--public says nothing without --push"):
        export(place.result, tmp_path / "out", to="kohya", store=place.store, public=True)


def test_the_hub_offline_is_an_error_of_ours(place: Place, tmp_path: Path) -> None:
    """The real client, barred from the network as all tests are."""
    with pytest.raises(MissingPrerequisite, match="cannot be written"):
        export(place.result, tmp_path, to="kohya", store=place.store, push=PUSHED)


def test_the_command_line_exports_and_tells_its_files(place: Place, tmp_path: Path) -> None:
    ran = harness(
        "export",
        place.result,
        tmp_path / "out",
        "--to",
        "diffusers",
        "--store",
        place.store,
        "--json",
    )
    assert ran.code == 0, ran.err
    assert [Path(file).name for file in ran.json["files"]] == [
        "pytorch_lora_weights.safetensors",
        "README.md",
    ]
    assert all(Path(file).is_file() for file in ran.json["files"])
    wrong = harness(
        "export", place.result, tmp_path / "out", "--to", "comfy", "--store", place.store
    )
    assert wrong.code == 2
    assert "diffusers or kohya" in wrong.err
    assert wrong.out == ""
    assert read_result(place.result).recipe == "ink"
