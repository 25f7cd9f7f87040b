"""What generators write into their pictures, read back; and rubbish, which is only named."""

from __future__ import annotations

import json
import struct
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from harness.data.generation_metadata import (
    GenerationMetadata,
    UnreadableMetadata,
    decipher,
    plain_words,
    read_metadata,
)

SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 123, Size: 512x512, Model: x"
A1111 = f"a ninja, <lora:ink:0.8>, (red scarf:1.2)\nin the rain\nNegative prompt: bad\n{SETTINGS}"
WORDS = "a ninja, red scarf in the rain"
LONG = f"{'a' * 10_001}\n{SETTINGS}"


def graph(**changes: Any) -> dict[str, Any]:
    """Return the graph that ComfyUI starts with, its nodes changed by name."""
    nodes: dict[str, Any] = {
        "load": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "x"}},
        "empty": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "batch_size": 1}},
        "plus": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["load", 1]}},
        "minus": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad", "clip": ["load", 1]}},
        "draw": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 7,
                "steps": 20,
                "model": ["load", 0],
                "positive": ["plus", 0],
                "negative": ["minus", 0],
                "latent_image": ["empty", 0],
            },
        },
        "decode": {"class_type": "VAEDecode", "inputs": {"samples": ["draw", 0]}},
        "save": {"class_type": "SaveImage", "inputs": {"images": ["decode", 0]}},
    }
    return nodes | changes


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def sampler(positive: str, seed: Any = 7, kind: str = "KSampler", **inputs: Any) -> dict[str, Any]:
    return node(kind, seed=seed, positive=[positive, 0], negative=["minus", 0], **inputs)


def comfy(**changes: Any) -> GenerationMetadata:
    return decipher({"prompt": json.dumps(graph(**changes))})


def a1111(prompt: str, settings: str = SETTINGS) -> GenerationMetadata:
    return decipher({"parameters": f"{prompt}\n{settings}"})


def why(info: dict[Any, Any]) -> str:
    with pytest.raises(UnreadableMetadata) as caught:
        decipher(info)
    return caught.value.what


def png(file: Path, **chunks: str) -> Path:
    info = PngImagePlugin.PngInfo()
    for key, value in chunks.items():
        info.add_text(key, value)
    Image.new("RGB", (8, 8), "red").save(file, pnginfo=info)
    return file


def test_a1111_gives_the_prompt_of_several_lines_and_the_seed(tmp_path: Path) -> None:
    assert read_metadata(png(tmp_path / "a.png", parameters=A1111)) == GenerationMetadata(
        WORDS, 123
    )


def test_a_negative_prompt_is_no_part_of_the_prompt() -> None:
    assert a1111("a cat\nNegative prompt: a dog,\nSeed: 5, a rat").text == "a cat"


def test_what_extensions_write_behind_the_settings_is_not_read() -> None:
    settings = (
        f'{SETTINGS}, ADetailer prompt: "x, Seed: 5"\nTemplate: {{a|b}}\nNegative Template: y'
    )
    assert a1111("a cat", settings) == GenerationMetadata("a cat", 123)


def test_another_seed_is_not_taken_for_the_seed() -> None:
    assert a1111("a cat", "Steps: 20, Variation seed: 9, Seed: 4, Size: 8x8").seed == 4
    assert a1111("a cat", "Steps: 20, Variation seed: 9, Size: 8x8").seed is None


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a cat, <lora:ink:0.8>, best", "a cat, best"),
        ("<lora:ink:0.8:lbw=ALL> a cat <hypernet:x:1>", "a cat"),
        ("(word:1.2), ((word)), [word], ([a]:.5)", "word, word, word, a"),
        (r"naruto \(series\), \[x\], a\\b", r"naruto (series), [x], a\b"),
        ("a [cat:dog:0.5] and [a|b]", "a cat dog and a b"),
        ("ratio 16:9, at 10:30", "ratio 16:9, at 10:30"),
        ("a BREAK b, BREAKFAST", "a b, BREAKFAST"),
        ("embedding:easy, I <3 you", "I <3 you"),
        ("(a:1.1, (b", "a:1.1, b"),
        ("猫, (犬:1.3)", "猫, 犬"),
        ("trailing \\", "trailing"),
    ],
)
def test_signs_of_weight_are_no_words_of_the_prompt(prompt: str, words: str) -> None:
    assert plain_words(prompt) == words


def test_a_lora_tag_is_no_word_of_the_prompt() -> None:
    assert a1111("a cat <lora:ink:0.8>").text == a1111("a cat <lora:ink:0.2>").text == "a cat"


@given(st.text())
def test_plain_words_have_no_needless_spaces(prompt: str) -> None:
    words = plain_words(prompt)
    assert words == " ".join(words.split())


@given(st.text("()[]:|\\<>.,1a "))
def test_a_bracket_is_left_only_where_it_was_escaped(prompt: str) -> None:
    if "\\" not in prompt:
        assert not set("()[]") & set(plain_words(prompt))


@pytest.mark.parametrize("prompt", ["", "<lora:ink:1>", "(),", " \n "])
def test_a_prompt_without_words_is_named(prompt: str) -> None:
    assert why({"parameters": f"{prompt}\n{SETTINGS}"}) == "has a prompt without words"


@pytest.mark.parametrize("form", ["jpeg", "webp"])
@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + A1111.encode("utf-16-be"),
        b"UNICODE\0" + A1111.encode("utf-16-le"),
        b"UNICODE\0" + A1111.encode("utf-16"),
        b"ASCII\0\0\0" + A1111.encode(),
        b"\0" * 8 + A1111.encode(),
        A1111.encode(),
    ],
)
def test_an_exif_comment_is_read_in_every_byte_order(
    form: str, comment: bytes, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    file = tmp_path / f"a.{form}"
    Image.new("RGB", (8, 8)).save(file, form, exif=exif)
    assert read_metadata(file) == GenerationMetadata(WORDS, 123)


def test_words_beyond_latin_survive_both_byte_orders(tmp_path: Path) -> None:
    for order in ("be", "le"):
        exif = Image.Exif()
        text = f"雨の中の忍者、赤いスカーフ\n{SETTINGS}"
        exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode(f"utf-16-{order}")
        Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
        assert read_metadata(tmp_path / "a.jpg").text == "雨の中の忍者、赤いスカーフ"


def test_utf_8_that_was_declared_as_latin_1_is_read_as_meant() -> None:
    assert a1111("une forêt".encode().decode("latin-1")).text == "une forêt"
    assert a1111("une forêt").text == "une forêt"


def test_comfyui_gives_the_words_of_the_positive_side() -> None:
    assert comfy() == GenerationMetadata("a cat", 7)


def test_comfyui_writes_its_graph_into_the_exif_of_a_webp(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(graph())
    Image.new("RGB", (8, 8)).save(tmp_path / "a.webp", exif=exif)
    assert read_metadata(tmp_path / "a.webp") == GenerationMetadata("a cat", 7)


def test_both_texts_of_sdxl_are_one_prompt_where_they_are_the_same() -> None:
    two = {"clip": ["load", 1], "width": 1024}
    same = node("CLIPTextEncodeSDXL", text_g="a cat", text_l="a cat", **two)
    other = node("CLIPTextEncodeSDXL", text_l="ink", text_g="a cat", **two)
    assert comfy(plus=same).text == "a cat"
    assert comfy(plus=other).text == "a cat, ink"


def test_texts_and_seeds_are_followed_through_links() -> None:
    found = comfy(
        plus=node("CLIPTextEncode", text=["join", 0], clip=["load", 1]),
        join=node("StringConcatenate", string_a=["one", 0], string_b="a hat", delimiter=" in "),
        one=node("PrimitiveStringMultiline", value="a dog"),
        draw=sampler("plus", ["number", 0]),
        number=node("PrimitiveInt", value=42),
    )
    assert found == GenerationMetadata("a dog in a hat", 42)


def test_conditioning_is_followed_to_every_text_it_was_made_of() -> None:
    found = comfy(
        draw=sampler("control"),
        control=node("ControlNetApplyAdvanced", positive=["both", 0], negative=["minus", 0]),
        both=node("ConditioningCombine", conditioning_1=["plus", 0], conditioning_2=["way", 0]),
        way=node("Reroute", **{"": ["more", 0]}),
        more=node("CLIPTextEncode", text="a dog", clip=["load", 1]),
    )
    assert found.text == "a cat, a dog"


def test_a_sampler_of_parts_is_read_like_one_of_a_piece() -> None:
    found = comfy(
        draw=node("SamplerCustomAdvanced", noise=["noise", 0], guider=["guide", 0]),
        noise=node("RandomNoise", noise_seed=9),
        guide=node("BasicGuider", model=["load", 0], conditioning=["flux", 0]),
        flux=node("FluxGuidance", guidance=3.5, conditioning=["plus", 0]),
    )
    assert found == GenerationMetadata("a cat", 9)


def test_a_second_pass_does_not_hide_the_first() -> None:
    found = comfy(
        again=sampler("mend", 99, latent_image=["draw", 0]),
        mend=node("CLIPTextEncode", text="a detailed face"),
        decode=node("VAEDecode", samples=["again", 0]),
    )
    assert found == GenerationMetadata("a cat", 7)


def test_a_sampler_that_saves_nothing_is_not_asked() -> None:
    other = {"other": sampler("words", 5), "words": node("CLIPTextEncode", text="a dog")}
    assert comfy(**other) == GenerationMetadata("a cat", 7)


def test_a_graph_of_several_prompts_is_not_guessed_at() -> None:
    changes = {
        "other": sampler("words", 5),
        "words": node("CLIPTextEncode", text="a dog"),
        "show": node("VAEDecode", samples=["other", 0]),
        "keep": node("SaveImage", images=["show", 0]),
    }
    reason = why({"prompt": json.dumps(graph(**changes))})
    assert reason == "has a graph that draws from several prompts"


def test_other_generators_are_read() -> None:
    invoke = {"positive_prompt": "(a cat)1.2, ink++ well-made", "seed": 3, "negative_prompt": "bad"}
    novel = {"prompt": "{{a cat}}, [ink], 1.3::hat::", "seed": 4}
    fooocus = {"prompt": "a cat", "seed": "5", "full_prompt": ["a cat, cinematic"]}
    swarm = {"sui_image_params": {"prompt": "a cat", "seed": 6}}
    read = [
        decipher({"invokeai_metadata": json.dumps(invoke)}),
        decipher({"Comment": json.dumps(novel), "Description": "{{a cat}}", "dpi": (72, 72)}),
        decipher({"Comment": json.dumps({"seed": 4, "steps": 28}), "Description": "{a cat}"}),
        decipher({"parameters": json.dumps(fooocus), "fooocus_scheme": "fooocus"}),
        decipher({"parameters": json.dumps(swarm)}),
    ]
    assert read == [
        GenerationMetadata("a cat, ink well-made", 3),
        GenerationMetadata("a cat, ink, hat", 4),
        GenerationMetadata("a cat", 4),
        GenerationMetadata("a cat", 5),
        GenerationMetadata("a cat", 6),
    ]


def test_words_that_need_no_guess_come_before_a_graph() -> None:
    both = {"prompt": json.dumps(graph()), "parameters": f"a dog\n{SETTINGS}"}
    assert decipher(both).text == "a dog"
    assert decipher(both | {"parameters": "who knows"}).text == "a cat"


@pytest.mark.parametrize(
    ("seed", "told"), [(2**64 - 1, 2**63 - 1), (-1, 2**63 - 1), (1.0, 1), (1.5, None), (True, None)]
)
def test_every_seed_fits_a_column(seed: Any, told: int | None) -> None:
    assert comfy(draw=sampler("plus", seed)).seed == told


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({}, "carries no prompt"),
        ({"Comment": "Created with GIMP", "dpi": (72, 72)}, "carries no prompt"),
        ({"parameters": "who knows"}, "has 'parameters' metadata without a line of steps"),
        ({"parameters": "{"}, "has 'parameters' metadata that is broken JSON"),
        ({"parameters": "{}"}, "has metadata without a prompt"),
        ({"prompt": '{"3": '}, "has 'prompt' metadata that is broken JSON"),
        ({"prompt": "[]"}, "has 'prompt' metadata that is no JSON object"),
        ({"prompt": "{}"}, "has 'prompt' metadata that is no graph of ComfyUI"),
        ({"prompt": '{"a":' * 100_000}, "has 'prompt' metadata that is nested too deeply"),
        ({"prompt": " " * (5 << 20)}, "has more than 4 MiB of 'prompt' metadata"),
        ({"prompt": '{"a": ' + "9" * 5000 + "}"}, "has 'prompt' metadata that is broken JSON"),
        ({"parameters": LONG}, "has a prompt of more than 10000 characters"),
        ({"exif": b"Exif\0\0II*\0\xff\xff\xff\xff", 3: b""}, "carries no prompt"),
    ],
)
def test_what_is_not_understood_says_why(info: dict[Any, Any], reason: str) -> None:
    assert why(info) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"draw": sampler("draw")}, "has a graph that runs in a circle"),
        (
            {"plus": node("ConditioningCombine", conditioning_1=["plus", 0])},
            "has a graph whose prompt is not written in it",
        ),
        ({"plus": node("CLIPTextEncode", text=5)}, "has a graph whose prompt is not written in it"),
        ({"draw": node("KSampler", seed=1)}, "has a graph without a sampler"),
        ({"draw": None, "save": {"class_type": 3, "inputs": 4}}, "has a graph without a sampler"),
        (
            {"draw": sampler("n0")}
            | {f"n{at}": node("Reroute", **{"": [f"n{at + 1}", 0]}) for at in range(5000)}
            | {"n5000": node("CLIPTextEncode", text="a cat")},
            "has 'prompt' metadata that is nested too deeply",
        ),
    ],
)
def test_a_graph_that_leads_nowhere_says_why(changes: dict[str, Any], reason: str) -> None:
    assert why({"prompt": json.dumps(graph(**changes))}) == reason


def test_seeds_that_run_in_a_circle_are_unknown() -> None:
    assert comfy(draw=sampler("plus", ["one", 0]), one=node("Seed", seed=["one", 0])).seed is None


def chunked(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def test_a_text_chunk_that_unpacks_to_a_giant_is_named(tmp_path: Path) -> None:
    head = (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    bomb = (b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * (64 << 20)))
    (tmp_path / "a.png").write_bytes(chunked(head, bomb, (b"IEND", b"")))
    with pytest.raises(UnreadableMetadata, match="a text chunk that is too large to unpack"):
        read_metadata(tmp_path / "a.png")


def test_a_lone_surrogate_does_not_reach_the_prompt() -> None:
    found = decipher(
        {"prompt": json.dumps(graph(plus=node("CLIPTextEncode", text="a \ud800 cat")))}
    )
    assert found.text == "a ? cat"


@given(st.binary())
def test_no_exif_stops_the_rest(block: bytes) -> None:
    assert why({"exif": b"Exif\0\0" + block})


@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_file_stops_the_rest(tmp_path_factory: Any, rubbish: bytes, at: int) -> None:
    file = png(tmp_path_factory.getbasetemp() / "rubbish.png", parameters=A1111, prompt="{}")
    whole = file.read_bytes()
    file.write_bytes(whole[:at] + rubbish + whole[at + len(rubbish) :])
    with suppress(UnreadableMetadata):
        assert read_metadata(file).text


@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.just(["draw", 0]),
        lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each),
        max_leaves=8,
    ),
    st.sampled_from(["inputs", "class_type"]),
    st.sampled_from(["plus", "draw", "save"]),
)
def test_no_graph_stops_the_rest(value: Any, part: str, name: str) -> None:
    nodes = graph()
    nodes[name] |= {part: value}
    with suppress(UnreadableMetadata):
        assert decipher({"prompt": json.dumps(nodes)}).text


def test_no_prompt_takes_long_to_read() -> None:
    began = time.process_time()
    for sign in (
        "(",
        "[",
        "<a:",
        ":1",
        " ",
        ",",
        "\\",
        "[a:",
        "((a:1.1)",
        ": ",
        "embedding:",
        ":.5 ",
    ):
        plain_words(sign * (10_000 // len(sign)))
    wide = {f"s{at}": sampler("plus", at, latent_image=[f"s{at + 1}", 0]) for at in range(5000)}
    comfy(**wide, decode=node("VAEDecode", samples=["s0", 0]))
    assert time.process_time() - began < 2
