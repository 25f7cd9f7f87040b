"""Configs of other trainers become recipe pages, and nothing of them is lost without a word."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import FIXTURES

from harness.errors import PageError, UsageError
from harness.pages.foreign.figures import UNKNOWN, Fate, flat
from harness.pages.foreign.imported import Imported, import_file, import_text
from harness.pages.foreign.translate import Given
from harness.pages.recipe import Recipe
from harness.pages.yaml import load_page

CONFIGS = FIXTURES / "configs"
SETS = {"full-vpred-set.toml", "webtoon-set.toml", "st-backends.json"}
"""Files that configs name; they are no configs by themselves."""
REAL = sorted(file.name for file in CONFIGS.iterdir() if file.name not in SETS)
PICTURES = Given(pictures=240)


def read(name: str) -> Imported:
    elsewhere = "/data/x" if name == "ot-preset.json" else None
    return import_file(CONFIGS / name, Given(pictures=240, data=elsewhere))


def fates(imported: Imported) -> dict[str, Fate]:
    return {fate.figure: fate for fate in imported.fates}


def test_there_are_configs_of_every_trainer() -> None:
    assert len(REAL) >= 12
    trainers = {read(name).trainer for name in REAL}
    assert trainers == {
        "kohya's sd-scripts",
        "ai-toolkit",
        "OneTrainer",
        "SimpleTuner",
        "diffusers",
    }


@pytest.mark.parametrize("name", REAL)
def test_a_real_config_becomes_a_page_that_says_the_same_recipe(name: str, tmp_path: Path) -> None:
    imported = read(name)
    file = tmp_path / f"{imported.recipe.name}.yaml"
    file.write_text(imported.page)
    assert load_page(Recipe, file) == imported.recipe
    assert all(len(line) <= 100 for line in imported.page.splitlines() if line.startswith("#"))


@pytest.mark.parametrize("name", REAL)
def test_every_figure_of_a_real_config_has_a_fate_and_a_reason(name: str) -> None:
    imported = read(name)
    told = fates(imported)
    for figure in leaves(CONFIGS / name):
        assert figure in told, figure
    for fate in imported.fates:
        assert fate.field or fate.note, fate
        assert fate.note != UNKNOWN, fate
        if fate.kind == "changed":
            assert fate.note, fate


def leaves(file: Path) -> set[str]:
    """Return the names of a JSON or TOML config's own figures, as it has them."""
    if file.suffix == ".json":
        data = json.loads(file.read_text())
        kept = {key.lstrip("-"): value for key, value in data.items()}
        kept.pop("concepts", None)
        kept.pop("optimizer_defaults", None)
        return set(flat(kept))
    if file.suffix == ".toml":
        lines = [
            line.split("=")[0].strip() for line in file.read_text().splitlines() if "=" in line
        ]
        return {line for line in lines if line and not line.startswith("#")}
    return set()


def test_flags_of_a_command_have_fates_too() -> None:
    told = fates(read("animeboys-command.sh"))
    text = (CONFIGS / "animeboys-command.sh").read_text()
    flags = {word[2:].split("=")[0] for word in text.split() if word.startswith("--")}
    assert len(flags) > 30
    assert flags - {"num_cpu_threads_per_process"} <= set(told)


def test_figures_of_sd_scripts_stand_in_their_places() -> None:
    train = read("noob-vpred.toml").recipe.train
    assert train is not None
    assert (train.adapter and train.adapter.rank, train.effective_batch, train.steps) == (
        32,
        6,
        1200,
    )
    assert train.optimizer.use == "prodigy"
    assert (train.prediction, train.zero_terminal_snr, train.snr_gamma) == ("v_prediction", True, 5)
    assert train.buckets is not None
    assert (train.buckets.step, train.buckets.shortest, train.buckets.longest) == (256, 512, 2048)
    [phase] = train.phases
    assert (phase.rate, phase.schedule, phase.text_encoder_rates) == (1, "cosine", (1, 1))
    assert train.adapter_dtype == "bfloat16"


def test_epochs_become_steps_by_pictures_repeats_and_effective_batch() -> None:
    train = read("webtoon.toml").recipe.train
    assert train is not None
    assert train.steps == 12 * 240 * 10 // 2
    assert train.phases[0].warmup == 50
    assert train.phases[0].cycles == 3


def test_alpha_of_sd_scripts_is_1_where_it_is_not_given() -> None:
    text = 'pretrained_model_name_or_path = "sdxl"\nnetwork_module = "networks.lora"\n'
    text += 'train_data_dir = "/x"\nmax_train_steps = 10\n'
    imported = import_text(text, "a.toml", PICTURES)
    assert imported.recipe.train is not None
    assert imported.recipe.train.adapter is not None
    assert imported.recipe.train.adapter.alpha == 1
    assert fates(imported)["alpha"].kind == "assumed"


def test_the_kohya_layers_are_722_of_sdxl() -> None:
    from harness.diffusion.anatomy import unet_layers
    from harness.diffusion.shapes import unet_of
    from harness.diffusion.targets import is_target

    train = read("noob-vpred.toml").recipe.train
    assert train is not None
    assert train.adapter is not None
    layers = unet_layers(unet_of("stabilityai/stable-diffusion-xl-base-1.0"), 8, 8)
    chosen = [
        layer
        for layer in layers
        if layer.kind in ("linear", "conv") and is_target(train.adapter, layer.name)
    ]
    assert len(chosen) == 722


def test_convolutions_get_their_own_rank() -> None:
    train = read("locon.toml").recipe.train
    assert train is not None
    assert train.adapter is not None
    assert list(train.adapter.ranks.values()) == [32]


def test_the_gui_counts_epochs_where_steps_are_0() -> None:
    imported = read("pony-gui.json")
    assert imported.recipe.train is not None
    assert imported.recipe.train.steps == 36 * 240 // 3
    assert imported.recipe.name == "pony-style"
    assert fates(imported)["epoch"].field == "train.phases[].steps"
    assert imported.recipe.train.debiased


def test_a_full_fine_tune_trains_the_base() -> None:
    imported = read("full-vpred.toml")
    train = imported.recipe.train
    assert train is not None
    assert (train.method, train.adapter) == ("full", None)
    assert train.phases[0].text_encoder_rates == (6e-5, 6e-5)
    assert "own ones are not read" in fates(imported)["datasets[0].subsets[1].is_reg"].note


def test_the_official_script_stretches_its_schedule_and_trains_in_bf16() -> None:
    train = read("brain.sh").recipe.train
    assert train is not None
    assert (train.lr_schedule_unit, train.adapter_dtype) == ("diffusers-legacy", "bfloat16")
    assert (train.phases[0].warmup, train.crop) == (500, "random")


def test_dreambooth_keeps_its_class_images_and_reads_variables_of_the_shell() -> None:
    recipe = read("lion.sh").recipe
    assert recipe.data is not None
    assert recipe.train is not None
    assert recipe.train.prior is not None
    assert recipe.train.prior.prompt == "a photo of lion"
    assert recipe.train.prior.images == 200
    assert (recipe.data.caption.words, recipe.data.caption.prefix) == (
        "none",
        "a photo of sks lion",
    )
    assert recipe.train.phases[0].warmup == 0


def test_accumulated_steps_of_ai_toolkit_are_batches() -> None:
    text = (CONFIGS / "runpod.yaml").read_text()
    text = text.replace("gradient_accumulation_steps: 1", "gradient_accumulation_steps: 4")
    imported = import_text(text, "job.yaml", PICTURES)
    assert imported.recipe.train is not None
    assert (imported.recipe.train.steps, imported.recipe.train.accumulation) == (375, 4)
    assert "batches" in fates(imported)["train.steps"].note


def test_the_unclamped_gamma_of_ai_toolkit_is_told_from_min_snr() -> None:
    text = (CONFIGS / "runpod.yaml").read_text()
    for word, form in (("snr_gamma", "unclamped"), ("min_snr_gamma", "paper")):
        changed = text.replace("lr_scheduler: constant", f"{word}: 5.0")
        train = import_text(changed, "job.yaml", PICTURES).recipe.train
        assert train is not None
        assert (train.snr_gamma, train.snr_form) == (5, form)


def test_warmup_of_onetrainer_is_counted_in_batches() -> None:
    text = (CONFIGS / "ot-preset.json").read_text()
    text = text.replace('"gradient_accumulation_steps": 1', '"gradient_accumulation_steps": 4')
    train = import_text(text, "a.json", Given(pictures=240, data="/x")).recipe.train
    assert train is not None
    assert (train.phases[0].warmup, train.steps) == (50, 1500)


def test_a_noise_offset_of_simpletuner_acts_only_where_it_is_on() -> None:
    data: dict[str, Any] = json.loads((CONFIGS / "st-lcm.json").read_text())
    data |= {"noise_offset": 0.1}
    off = import_text(json.dumps(data), "a.json", Given(data="/x"))
    on = import_text(json.dumps(data | {"offset_noise": True}), "a.json", Given(data="/x"))
    assert (off.recipe.train and off.recipe.train.noise_offset) == 0
    assert (on.recipe.train and on.recipe.train.noise_offset) == 0.1
    assert "25%" in fates(on)["noise_offset"].note


def test_what_is_no_lora_is_named() -> None:
    assert "stands in for lycoris" in fates(read("st-lokr.json"))["lora_type"].note


@pytest.mark.parametrize(
    "line",
    [
        'wandb_api_key = "abc123"',
        'WANDB_KEY = "abc123"',
        'aws_secret_access_key = "abc123"',
        'webhook_url = "https://chat/abc123"',
        'password = "abc123"',
        'secrets = {user = "abc123"}',
        'logging_dir = "https://me:abc123@host/logs"',
        'vae = "https://host/x.safetensors?token=abc123"',
        'additional_parameters = "--wandb_api_key abc123 --x 1"',
        'docker_env = "WANDB_API_KEY=abc123"',
        'training_comment = "hf_abc123abc123abc123abc123"',
        'output_name = "hf_abc123abc123abc123abc123"',
        'network_args = ["hub_token=abc123"]',
    ],
)
def test_a_secret_stays_out_of_page_and_table(line: str) -> None:
    text = (CONFIGS / "noob-vpred.toml").read_text()
    name = line.split(" =")[0]
    others = [each for each in text.splitlines() if not each.startswith((f"{name} ", f"{name}="))]
    imported = import_text("\n".join([line, *others]), "a.toml", PICTURES)
    assert "abc123" not in imported.page
    assert "abc123" not in str(imported.fates)
    assert "…" in str(imported.fates)


def test_a_secret_of_a_shell_stays_there() -> None:
    text = "export HF_TOKEN=abc123\npython sdxl_train.py --pretrained_model_name_or_path=me/xl"
    text += " --hub_token=$HF_TOKEN --hub_model_id=me/$HF_TOKEN --max_train_steps 9"
    imported = import_text(text, "a.sh", Given(data="/x"))
    assert "abc123" not in imported.page + str(imported.fates)


def test_tokens_that_are_counted_are_no_secret() -> None:
    text = (CONFIGS / "noob-vpred.toml").read_text()
    lines = [each for each in text.splitlines() if not each.startswith("keep_tokens")]
    told = fates(import_text("\n".join(["keep_tokens = 3", *lines]), "a.toml", PICTURES))
    assert told["keep_tokens"].given == 3


def test_a_name_with_markup_stays_a_comment() -> None:
    text = (CONFIGS / "noob-vpred.toml").read_text()
    imported = import_text(text + 'metadata_tags = "a\\nname: evil"\n', "a.toml", PICTURES)
    assert "\nname: evil" not in imported.page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "no config that harness knows"),
        ("", "no config that harness knows"),
        ('{"a": 1}', "no config that harness knows"),
        ("[general]\n[[datasets]]\nresolution = 1\n", "the set of sd-scripts alone"),
        ("a = [", "neither JSON nor TOML"),
        ("python train_flux.py --x 1", "trains no SDXL model"),
        ('{"training_method": "LORA", "model_type": "FLUX_DEV_1"}', "harness trains SDXL"),
        ('{"model_type": "lora", "model_family": "sd3"}', "harness trains SDXL"),
        (
            "config: {process: [{train: {steps: 1}, model: {name_or_path: a, is_flux: true}}]}",
            "harness trains SDXL",
        ),
        ("config: {process: [{type: x}]}", "no process of this job trains"),
    ],
)
def test_what_is_no_config_is_told_with_what_was_looked_for(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        import_text(text, "a", PICTURES)
    if "knows" in said:
        assert "kohya" in str(caught.value)
        assert "OneTrainer" in str(caught.value)


def test_a_broken_job_is_told_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("config:\n  process: [\n")
    with pytest.raises(PageError, match=r"job.yaml:3"):
        import_file(file, PICTURES)


def test_another_kind_of_base_is_refused_unless_one_is_given() -> None:
    text = 'pretrained_model_name_or_path = "runwayml/stable-diffusion-v1-5"\nnetwork_dim = 4\n'
    text += 'train_data_dir = "/x"\nmax_train_steps = 9\n'
    with pytest.raises(UsageError, match=r"SD 1\.5"):
        import_text(text, "a.toml", PICTURES)
    imported = import_text(text, "a.toml", Given(base="me/noob-xl"))
    assert imported.recipe.base.model == "me/noob-xl"


KOHYA = {
    "pretrained_model_name_or_path": "/models/mine.safetensors",
    "network_module": "networks.lora",
    "network_dim": 8,
    "max_train_steps": 9,
    "train_data_dir": "/x",
}


def kohya(given: Given = PICTURES, /, **changes: Any) -> Imported:
    data = {name: value for name, value in (KOHYA | changes).items() if value is not None}
    return import_text(json.dumps(data), "a.json", given)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sdxl": False}, "is SD 1,"),
        ({"v2": True}, "is SD 2,"),
        ({"flux1_checkbox": True}, "is Flux,"),
        ({"sd3_checkbox": True}, "is SD 3,"),
        ({"network_module": "networks.lora_flux"}, "is flux,"),
        ({"pretrained_model_name_or_path": "me/sdxl-inpainting"}, "is made for inpainting"),
    ],
)
def test_switches_tell_another_kind_of_base(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        kohya(**changes)
    assert kohya(Given(base="me/noob-xl"), **changes).recipe.base.model == "me/noob-xl"


def test_a_job_that_does_not_say_sdxl_trains_sd_1() -> None:
    model = {"name_or_path": "/models/mine.safetensors"}
    process = {"train": {"steps": 9}, "network": {"linear": 4}, "model": model}
    process |= {"datasets": [{"folder_path": "/x"}]}
    job = {"config": {"process": [process]}}
    with pytest.raises(UsageError, match=r"SD 1\.5, for want of is_xl: true"):
        import_text(json.dumps(job), "a.json", PICTURES)
    model["is_xl"] = "true"
    assert import_text(json.dumps(job), "a.json", PICTURES).recipe.train


def test_a_training_of_something_else_is_no_recipe() -> None:
    with pytest.raises(UsageError, match="the new token 'sks' and nothing else"):
        kohya(token_string="sks", network_module=None, network_dim=None)
    control = json.loads((CONFIGS / "st-lcm.json").read_text()) | {"controlnet": True}
    with pytest.raises(UsageError, match="a ControlNet"):
        import_text(json.dumps(control), "a.json", Given(data="/x"))
    inpainting = json.loads((CONFIGS / "ot-preset.json").read_text())
    inpainting["model_type"] += "_INPAINTING"
    with pytest.raises(UsageError, match="for inpainting"):
        import_text(json.dumps(inpainting), "a.json", Given(data="/x", pictures=9))


def test_a_variable_that_the_file_does_not_set_is_asked_for() -> None:
    text = "accelerate launch sdxl_train_network.py --pretrained_model_name_or_path=$MODEL"
    text += (
        " --network_dim 4 --max_train_steps 9 --train_batch_size ${BATCH} --train_data_dir $DATA/a"
    )
    with pytest.raises(
        UsageError, match=r"_path \$MODEL, train_batch_size \$\{BATCH\}, .* \$DATA/a"
    ):
        import_text(text, "a.sh", PICTURES)
    set_above = f"$MODEL = 'me/xl'\nBATCH=2\nexport DATA=/data\n{text}"
    recipe = import_text(set_above, "a.ps1", PICTURES).recipe
    assert recipe.base.model == "me/xl"
    assert recipe.train is not None
    assert recipe.train.batch == 2


def phase_of(imported: Imported) -> Any:
    assert imported.recipe.train is not None
    return imported.recipe.train.phases[0]


def adapter_of(imported: Imported) -> Any:
    assert imported.recipe.train is not None
    return imported.recipe.train.adapter


def optimizer_of(imported: Imported) -> dict[str, Any]:
    assert imported.recipe.train is not None
    return imported.recipe.train.optimizer.model_dump()


def test_an_alpha_of_0_is_the_rank_in_sd_scripts() -> None:
    imported = kohya(network_alpha=0)
    assert adapter_of(imported).alpha == 8
    assert "stands for the rank" in fates(imported)["network_alpha"].note


def test_rates_of_0_in_the_gui_stand_for_the_one_rate() -> None:
    gui = {"LoRA_type": "Standard", "learning_rate": 1e-3}
    both = phase_of(kohya(**gui, unet_lr=0.0, text_encoder_lr=0.0))
    assert (both.rate, both.text_encoder_rates) == (1e-3, (1e-3, 1e-3))
    unet = phase_of(kohya(**gui, unet_lr=2e-3, text_encoder_lr=0.0))
    assert (unet.rate, unet.text_encoder_rates) == (2e-3, None)


def test_adafactor_of_sd_scripts_takes_relative_steps_unless_told() -> None:
    told = fates(kohya(optimizer_type="Adafactor"))
    assert "relative there" in told["relative_step"].note
    off = fates(kohya(optimizer_type="Adafactor", optimizer_args=["relative_step=False"]))
    assert "relative_step" not in off


def test_text_encoders_alone_let_the_unet_rest() -> None:
    phase = phase_of(kohya(network_train_text_encoder_only=True, learning_rate=1e-3))
    assert phase.rate < 1e-9
    assert phase.text_encoder_rates == (1e-3, 1e-3)


@pytest.mark.parametrize(
    "given",
    [
        "weight_decay=0.02 betas=(0.8, 0.95) d_coef=2",
        "weight_decay=0.02,betas=0.8,0.95,d_coef=2",
        ["weight_decay=0.02", "betas=[0.8,0.95]", "d_coef=2"],
    ],
)
def test_options_of_an_optimizer_are_read_however_they_are_joined(given: Any) -> None:
    optimizer = optimizer_of(kohya(optimizer_type="Prodigy", optimizer_args=given))
    assert optimizer["weight_decay"] == 0.02
    assert (optimizer["beta1"], optimizer["beta2"], optimizer["d_coef"]) == (0.8, 0.95, 2)


def test_betas_of_ai_toolkit_are_two_options() -> None:
    train = {"steps": 9, "optimizer": "adamw", "optimizer_params": {"betas": [0.8, 0.95]}}
    process = {"train": train, "model": {"name_or_path": "me/xl"}}
    process |= {"datasets": [{"folder_path": "/x"}], "network": {"linear": 4}}
    job = json.dumps({"config": {"process": [process]}})
    optimizer = optimizer_of(import_text(job, "a.json", PICTURES))
    assert (optimizer["beta1"], optimizer["beta2"]) == (0.8, 0.95)


def test_no_layer_gets_the_rank_of_a_whole_lokr() -> None:
    args = ["algo=lokr", "conv_dim=100000"]
    imported = kohya(network_module="lycoris.kohya", network_args=args)
    assert set(adapter_of(imported).ranks.values()) == {64}
    assert "another kind of adapter" in fates(imported)["network_args.conv_dim"].note


def test_a_value_that_no_field_takes_is_not_called_unknown() -> None:
    assert fates(kohya(network_alpha=-8))["network_alpha"].note != UNKNOWN
    assert fates(kohya(noise_offset=float("nan")))["noise_offset"].note != UNKNOWN
    assert fates(kohya(learning_rate=float("inf")))["learning_rate"].note != UNKNOWN


def test_a_second_set_of_another_size_is_told(tmp_path: Path) -> None:
    sets = "[general]\nshuffle_caption = true\n"
    for size, batch in ((1024, 4), (768, 2)):
        sets += f"[[datasets]]\nresolution = {size}\nbatch_size = {batch}\n"
        sets += f"[[datasets.subsets]]\nimage_dir = '/x/{size}'\n"
    (tmp_path / "set.toml").write_text(sets)
    file = tmp_path / "a.json"
    changes = {"train_data_dir": None, "dataset_config": "set.toml", "shuffle_caption": False}
    file.write_text(json.dumps(KOHYA | changes))
    imported = import_file(file, PICTURES)
    told = fates(imported)
    assert told["datasets[1].resolution"].given == 768
    assert told["datasets[1].batch_size"].note
    assert imported.recipe.data is not None
    assert imported.recipe.data.caption.shuffle, "a set's own word stands before the command's"


def test_a_preset_of_the_gui_names_no_base() -> None:
    preset = {"pretrained_model_name_or_path": None, "LoRA_type": "Standard"}
    with pytest.raises(UsageError, match="names no base model"):
        kohya(**preset)
    assert kohya(Given(base="me/xl"), **preset).recipe.base.model == "me/xl"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"network_dim": 8,}', "no comma after the last value"),
        ('{ // mine\n"network_dim": 8}', "no comments"),
        ('{"network_dim": 8,\n"vae": "C:\\models"}', r"a.json:2: is not JSON: .* \(write"),
    ],
)
def test_broken_json_is_told_by_its_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        import_file(file, PICTURES)


def test_epochs_without_pictures_ask_for_their_number() -> None:
    with pytest.raises(UsageError, match="--pictures"):
        import_file(CONFIGS / "noob-vpred.toml", Given())


def test_pictures_that_are_here_are_counted_with_the_repeats_of_their_folder(
    tmp_path: Path,
) -> None:
    for folder, count in (("10_ink", 6), ("2_wash", 10)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            (tmp_path / folder / f"{number}.png").touch()
    text = (CONFIGS / "noob-vpred.toml").read_text().replace("/data/collection", str(tmp_path))
    imported = import_text(text, "a.toml", Given())
    assert imported.recipe.train is not None
    assert imported.recipe.train.steps == 30 * -(-(6 * 10 + 10 * 2) // 6)
    assert imported.recipe.data is not None
    [booster] = imported.recipe.data.boosters
    assert booster.weight == 0.25


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5000), st.floats(-2, 20), st.text(max_size=8)
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(json.loads((CONFIGS / "pony-gui.json").read_text()))),
        VALUES,
        max_size=6,
    )
)
def test_any_value_gives_a_page_or_a_reason(changes: dict[str, Any]) -> None:
    data = json.loads((CONFIGS / "pony-gui.json").read_text()) | changes
    with suppress(UsageError):
        imported = import_text(json.dumps(data), "a.json", PICTURES)
        assert {fate.figure for fate in imported.fates} >= set(data)


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_any_words_of_a_config_come_back_from_the_page(words: str, name: str) -> None:
    data = json.loads((CONFIGS / "st-lcm.json").read_text())
    data |= {"validation_prompt": words, "instance_prompt": name, f"odd {name}": words}
    imported = import_text(json.dumps(data), "a.json", Given(data=words, base=f"xl {name}"))
    with TemporaryDirectory() as folder:
        file = Path(folder, "a.yaml")
        file.write_text(imported.page, encoding="utf-8")
        assert load_page(Recipe, file) == imported.recipe


def test_a_config_that_is_nested_without_end_is_refused() -> None:
    with pytest.raises(UsageError, match="nested too deeply"):
        import_text("[" * 100_000, "stdin", Given())
