"""Opening a generator: the layout of diffusers, variants of weights, and one sentence for a folder that cannot serve."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from stablerep.errors import InputError
from stablerep.generator import EMBEDDED, Sampling, load_generator
from stablerep.synthesis import SynthesisPlan, synthesize
from stablerep.torchvision_shim import ensure_torchvision_imports

PARTS = ("scheduler", "text_encoder", "tokenizer", "unet", "vae")
INDEX = {"_class_name": "StableDiffusionPipeline", "text_encoder": ["transformers", "CLIPTextModel"]}


@pytest.fixture
def copy(tiny_pipeline, tmp_path) -> Path:
    """A folder that a test may change."""
    return Path(shutil.copytree(tiny_pipeline, tmp_path / "copy"))


def change(file: Path, **values) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def refusal(folder) -> str:
    with pytest.raises(InputError) as error:
        load_generator(str(folder), device="cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_embedded_generator_learned_from_what_may_be_learned_from(emoji):
    """Neither from test or validation concepts, nor from what is held out: it is trained again when the splits change."""
    record = json.loads((EMBEDDED / "training" / "training.json").read_text())
    part = emoji.to_learn_from()
    assert record["learned_from"] == part.fingerprint
    assert (record["images"], record["concepts"]) == (len(part), part.table["concept"].nunique())


# Layout


def test_folder_has_the_layout_of_stable_diffusion(tiny_pipeline):
    index = json.loads((tiny_pipeline / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert {name for name in index if (tiny_pipeline / name).is_dir()} == set(PARTS)
    for file in tiny_pipeline.rglob("*.safetensors"):
        with safe_open(file, "pt") as weights:
            assert {weights.get_tensor(name).dtype for name in weights.keys()} <= {torch.float16, torch.int64}, (
                file.name
            )
    assert not list(tiny_pipeline.rglob("*.bin"))


def test_opened_generator_computes_in_float32(generator):
    assert generator.precision == "float32"
    assert {p.dtype for p in generator.pipeline.unet.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in generator.pipeline.unet.parameters())
    assert generator.latent_shape == (10, 8, 8)
    assert generator.resolution == 32


def test_fingerprint_follows_content_alone(tiny_pipeline, tmp_path, generator):
    copy = tmp_path / "elsewhere"
    shutil.copytree(tiny_pipeline, copy)
    (copy / "README.md").write_text("A card does not change what is drawn.")
    assert load_generator(str(copy), device="cpu").fingerprint == generator.fingerprint
    config = json.loads((copy / "vae" / "config.json").read_text())
    (copy / "vae" / "config.json").write_text(json.dumps(config | {"scaling_factor": 0.3}))
    assert load_generator(str(copy), device="cpu").fingerprint != generator.fingerprint


# Variants of weights


def rename_weights(folder: Path, *, parts=("text_encoder", "unet", "vae"), suffix: str) -> None:
    for part in parts:
        for file in (folder / part).glob("*.safetensors"):
            file.rename(file.with_name(file.name.replace(".safetensors", suffix)))


def test_half_precision_variant_loads(copy, generator):
    rename_weights(copy, suffix=".fp16.safetensors")
    ours, theirs = (g.pipeline.unet.state_dict() for g in (load_generator(str(copy), device="cpu"), generator))
    assert all(torch.equal(ours[name], value) and value.dtype == torch.float32 for name, value in theirs.items())


def test_plain_weights_are_taken_where_both_are_there(copy, generator):
    for file in copy.rglob("*.safetensors"):
        shutil.copyfile(file, file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    opened = load_generator(str(copy), device="cpu")
    assert opened.fingerprint != generator.fingerprint  # more files
    assert torch.equal(opened.pipeline.unet.conv_in.weight, generator.pipeline.unet.conv_in.weight)


def test_mixed_variants_are_named(copy):
    rename_weights(copy, parts=["unet"], suffix=".fp16.safetensors")
    assert "has unet as fp16 alone and text_encoder without it" in refusal(copy)


def test_pickled_weights_are_refused_with_the_conversion(copy):
    rename_weights(copy, suffix=".bin")
    said = refusal(copy)
    assert f"{copy} holds text_encoder/model.bin and no safetensors, and opening such a file can run code" in said


def test_the_conversion_that_is_named_works(copy, generator):
    weights = generator.pipeline.unet.state_dict()
    torch.save(weights, copy / "unet" / "diffusion_pytorch_model.bin")
    (copy / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    command = refusal(copy).partition('python -c "')[2].removesuffix('".')
    exec(command)
    opened = load_generator(f"{copy}-safetensors", device="cpu").pipeline.unet.state_dict()
    assert all(torch.equal(opened[name], value) for name, value in weights.items())


# Parts that cannot serve


def test_two_text_encoders_are_refused(copy):
    change(
        copy / "model_index.json", _class_name="StableDiffusionXLPipeline",
        text_encoder_2=["transformers", "CLIPTextModelWithProjection"],
    )  # fmt: skip
    assert refusal(copy) == (
        f"generator {copy} is a StableDiffusionXLPipeline with 2 text encoders; a StableDiffusionPipeline with one CLIP text "
        "encoder is needed."
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"_class_name": "FluxPipeline"}, "is a FluxPipeline; a StableDiffusionPipeline is needed"),
        (
            {"text_encoder": ["transformers", "T5EncoderModel"]},
            "reads captions with T5EncoderModel; a CLIP text encoder",
        ),
        ({"text_encoder": [None, None]}, "reads captions with nothing"),
    ],
)
def test_another_kind_of_pipeline_is_refused(copy, values, said):
    change(copy / "model_index.json", **values)
    assert said in refusal(copy)


def test_damaged_index_is_one_sentence(copy):
    (copy / "model_index.json").write_text("{")
    assert "model_index.json cannot be read" in refusal(copy)


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        ("unet/config.json", {"sample_size": [8, 8]}, r"has a sample_size of [8, 8]; one whole number"),
        ("unet/config.json", {"sample_size": 7}, "draws 28 pixels a side; a multiple of 8 up to 4096"),
        ("unet/config.json", {"sample_size": 2048}, "draws 8192 pixels a side"),
        ("tokenizer/tokenizer_config.json", {"model_max_length": 77}, "a tokenizer of 77 tokens and a text encoder of 24"),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow_prediction"}, "prediction_type is 'flow_prediction'"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(copy, file, values, said):
    change(copy / file, **values)
    assert said in refusal(copy)


def test_channels_must_agree(copy, generator):
    from diffusers import AutoencoderTiny

    config = dict(generator.pipeline.vae.config) | {"latent_channels": 4}
    shutil.rmtree(copy / "vae")
    AutoencoderTiny.from_config(config).save_pretrained(copy / "vae")
    assert "has a denoiser from 10 to 10 channels and latents of 4; they must agree" in refusal(copy)


def test_a_schedule_of_another_kind_is_refused(copy):
    from diffusers import FlowMatchEulerDiscreteScheduler

    shutil.rmtree(copy / "scheduler")
    FlowMatchEulerDiscreteScheduler().save_pretrained(copy / "scheduler")
    change(copy / "model_index.json", scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"])
    assert "the scheduler FlowMatchEulerDiscreteScheduler has no beta_schedule" in refusal(copy)


def test_a_generator_that_cannot_draw_leaves_the_folder_to_the_right_one(copy, tiny_pipeline, tmp_path, monkeypatch):
    """Whatever the checks overlook fails at the first batch, before the folder is claimed."""
    plan = SynthesisPlan(["red heart", "owl"], images_per_caption=1, sampling=Sampling(steps=2))
    wrong = load_generator(str(copy), device="cpu", precision="bfloat16")
    monkeypatch.setattr(wrong.pipeline.vae, "decode", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        synthesize(plan, wrong, tmp_path / "set", progress=False)
    assert not [file for file in (tmp_path / "set").rglob("*") if not file.name.endswith(".lock") and file.is_file()]
    right = load_generator(str(tiny_pipeline), device="cpu")
    assert synthesize(plan, right, tmp_path / "set", progress=False).totals["images"] == 2


# Names


def test_wrong_names_and_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="generator is 'emojis'.*owner/name"):
        load_generator("emojis", device="cpu")
    with pytest.raises(ValueError, match=r"generator is '\./nowhere'"):
        load_generator("./nowhere", device="cpu")
    with pytest.raises(ValueError, match="has no model_index.json"):
        load_generator(str(tmp_path), device="cpu")


def test_unknown_precision_is_named(tiny_pipeline):
    with pytest.raises(ValueError, match="precision is 'int8'; valid ones are float32, bfloat16, float16"):
        load_generator(str(tiny_pipeline), precision="int8")


def test_damaged_folder_is_one_sentence(tiny_pipeline, tmp_path):
    copy = tmp_path / "damaged"
    shutil.copytree(tiny_pipeline, copy)
    for file in (copy / "unet").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(ValueError, match="could not be loaded") as error:
        load_generator(str(copy), device="cpu")
    assert "\n" not in str(error.value)


def test_hub_out_of_reach_is_one_sentence(monkeypatch):
    def refuse(name, **options):
        assert (name, options["local_files_only"], options["use_safetensors"]) == ("owner/model", False, True)
        raise OSError("no route to the Hub\nand a long story")

    ensure_torchvision_imports()
    monkeypatch.setattr("diffusers.StableDiffusionPipeline.load_config", lambda name: INDEX)
    monkeypatch.setattr("diffusers.StableDiffusionPipeline.from_pretrained", refuse)
    with pytest.raises(ValueError) as error:
        load_generator("owner/model", device="cpu")
    assert str(error.value) == "generator owner/model could not be loaded: no route to the Hub"
