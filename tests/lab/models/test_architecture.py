"""The untrained architecture of Postcards: its shape, its vocabulary, the size of its files."""

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from engine import load_model
from lab.models.architecture import (
    new_pipeline,
    new_tokenizer,
    split_words,
    unknown_words,
    vocabulary,
    write_pipeline,
)
from lab.world.lessons import LESSON_SHARES, make_lesson
from tests.support.planning import small_recipe
from tests.support.run_results import run_latents


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pipeline(new_pipeline(), tmp_path_factory.mktemp("models") / "postcards")


@pytest.mark.slow
def test_every_word_of_every_lesson_is_one_token():
    tokens = new_tokenizer()
    for kind in LESSON_SHARES:
        for seed in range(60):
            prompt = make_lesson(seed, kind=kind).prompt
            read = tokens(prompt).input_ids[1:-1]
            assert tokens.convert_ids_to_tokens(read) == split_words(prompt)
            assert len(read) <= tokens.model_max_length - 2


def test_token_ids_have_no_gaps():
    vocabulary = new_tokenizer().get_vocab()
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))


def test_unknown_words_are_named_in_their_order():
    assert unknown_words("A red Cyberpunk house, on the moon at night", vocabulary()) == (
        "cyberpunk",
        "the",
        "moon",
    )
    assert unknown_words("an orange cat on autumn leaves at twilight", vocabulary()) == ()


def test_it_has_sdxls_levels_and_attention_where_sdxl_has_it(folder):
    unet = StableDiffusionXLPipeline.from_pretrained(folder).unet
    assert [type(block).__name__ for block in unet.down_blocks] == [
        "DownBlock2D",
        "CrossAttnDownBlock2D",
        "CrossAttnDownBlock2D",
    ]
    assert unet.down_blocks[2].downsamplers is None
    assert len(unet.up_blocks[0].attentions) == 3


def test_it_is_written_as_small_safetensors_files(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pth", ".ckpt")]
    assert max(path.stat().st_size for path in files) < 9 * 2**20
    assert sum(path.stat().st_size for path in files) < 24 * 2**20


def test_the_engine_draws_with_it_at_several_sizes(folder, tmp_path):
    made = load_model(folder, "cpu", "float32")
    assert (made.facts.native_side, made.facts.cell, made.facts.channels) == (256, 8, 8)
    assert not made.pipeline.config.force_zeros_for_empty_prompt
    first, second = run_latents(small_recipe(steps=4, scales=(1, 1.5), guidance=1), made, tmp_path)
    assert first.shape == (1, 8, 32, 32)
    assert second.shape == (1, 8, 48, 48)


def test_its_encoders_are_trained(folder):
    """The layer that SDXL reads gets a gradient in both encoders."""
    made = new_pipeline()
    for encoder, tokens in ((made.text_encoder, made.tokenizer), (made.text_encoder_2, made.tokenizer_2)):
        ids = torch.tensor([tokens("a red house").input_ids])
        encoder(ids, output_hidden_states=True).hidden_states[-2].square().mean().backward()
        layers = (
            encoder.text_model.encoder.layers if hasattr(encoder, "text_model") else encoder.encoder.layers
        )
        assert layers[1].mlp.fc1.weight.grad.abs().sum() > 0
