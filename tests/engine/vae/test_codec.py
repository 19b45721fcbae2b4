import io

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image

from engine.vae import codec


def pixels(image):
    return np.asarray(image, np.float32) / 127.5 - 1


def random(rows, cols, seed=0):
    return torch.randn(1, 4, rows, cols, generator=torch.Generator().manual_seed(seed))


def test_a_latent_decodes_to_its_size_in_px(model):
    assert codec.decode(model.vae, random(12, 20)).size == (160, 96)


def test_decoding_equals_the_vaes(model):
    latent = random(16, 16)
    with torch.inference_mode():
        expected = model.vae.decode(latent / model.vae.config.scaling_factor).sample[0]
    ours = pixels(codec.decode(model.vae, latent))
    assert np.abs(ours - expected.clamp(-1, 1).permute(1, 2, 0).numpy()).max() <= 1 / 127.5


def test_latents_normalized_by_mean_and_deviation_are_restored_before_decoding(model):
    latent = random(16, 16)
    mean, deviation = [1.0, -1, 0.5, 0], [2.0, 3, 4, 5]
    plain = codec.decode(
        model.vae, latent * torch.tensor(deviation).view(4, 1, 1) + 0.18215 * torch.tensor(mean).view(4, 1, 1)
    )

    class Shifted:
        device, dtype, decode = model.vae.device, model.vae.dtype, model.vae.decode
        config = type("C", (), {"scaling_factor": 0.18215, "latents_mean": mean, "latents_std": deviation})

    assert codec.decode(Shifted, latent).tobytes() == plain.tobytes()


@pytest.mark.parametrize("own", [{}, {"latents_mean": [1.0, -1, 0.5, 0], "latents_std": [2.0, 3, 4, 5]}])
def test_encoding_is_the_reverse_of_decoding(model, own):
    picture = Image.fromarray(np.random.RandomState(0).randint(0, 255, (96, 160, 3), np.uint8))
    held = {"scaling_factor": 0.3, "shift_factor": 0.1, "block_out_channels": (8,) * 4, **own}

    class Shifted:
        device, dtype = model.vae.device, model.vae.dtype
        encode, decode = model.vae.encode, model.vae.decode
        config = type("Config", (), held)

    latent = codec.encode(Shifted, picture)
    assert latent.shape == (1, 4, 12, 20)
    assert latent.dtype == torch.float32
    with torch.inference_mode():
        pixels_in = torch.tensor(pixels(picture)).permute(2, 0, 1)[None]
        expected = model.vae.decode(model.vae.encode(pixels_in).latent_dist.mode()).sample[0]
    ours = pixels(codec.decode(Shifted, latent))
    assert np.abs(ours - expected.clamp(-1, 1).permute(1, 2, 0).numpy()).max() <= 1 / 127.5


def test_a_vae_whose_encoder_returns_latents_can_encode():
    torch.manual_seed(0)
    vae = AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).eval()
    picture = Image.fromarray(np.random.RandomState(0).randint(0, 255, (128, 128, 3), np.uint8))
    with torch.inference_mode():
        expected = vae.encode(torch.tensor(pixels(picture)).permute(2, 0, 1)[None]).latents
    assert torch.allclose(codec.encode(vae, picture), expected, atol=1e-5)


def test_a_large_latent_is_decoded_in_tiles(model, monkeypatch):
    sizes = []
    decoder = model.vae.decoder.forward
    monkeypatch.setattr(
        model.vae.decoder, "forward", lambda z, *a: sizes.append(z.shape[-2:]) or decoder(z, *a)
    )
    picture = codec.decode(model.vae, random(48, 40), model.facts.window)
    assert picture.size == (320, 384)
    assert max(max(size) for size in sizes) <= model.facts.window


def test_a_fitted_preview_is_closer_to_the_picture_than_its_mean_colour(model):
    # A preview can only show broad colours, like those of the samples of the fit.
    latent = random(4, 4, seed=5).repeat_interleave(4, -1).repeat_interleave(4, -2)
    picture = codec.decode(model.vae, latent)
    small = pixels(picture.resize((16, 16), Image.BOX))
    shown = pixels(Image.open(io.BytesIO(codec.preview(latent, model.preview_matrix))))
    assert shown.shape == (16, 16, 3)
    assert np.square(shown - small).mean() < 0.8 * np.square(small - small.mean((0, 1))).mean()


def test_a_fit_finds_the_matrix_of_a_linear_decoder():
    truth = torch.tensor([[0.3, 0.1, 0], [0, -0.2, 0.1], [0.1, 0, 0.2], [-0.1, 0.1, 0.1], [0.05, 0, -0.05]])

    class Linear:
        config = type("Config", (), {"scaling_factor": 0.5, "latent_channels": 4})
        device, dtype = torch.device("cpu"), torch.float32

        def decode(self, latent):
            colours = torch.einsum("nchw,cr->nrhw", latent * 0.5, truth[:-1]) + truth[-1][:, None, None]
            return type("Out", (), {"sample": colours.repeat_interleave(8, -1).repeat_interleave(8, -2)})

    assert torch.allclose(codec.preview_matrix(Linear()), truth, atol=1e-4)


def test_a_preview_has_the_orientation_of_the_picture(model):
    matrix = torch.tensor([[0.5, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    latent = torch.zeros(1, 4, 32, 48)
    latent[0, 0, :16, :24] = 2
    shown = pixels(Image.open(io.BytesIO(codec.preview(latent, matrix))))
    assert shown.shape == (32, 48, 3)
    assert shown[4, 4, 0] == pytest.approx(1, abs=0.05)
    assert shown[28, 44] == pytest.approx([0, 0, 0], abs=0.05)


def test_a_preview_is_small(model):
    image = Image.open(io.BytesIO(codec.preview(random(600, 1200), model.preview_matrix)))
    assert max(image.size) == codec.MAX_PREVIEW_SIDE


class KnownVae:
    """The attributes of a VAE by which it is recognized."""

    device = torch.device("cpu")

    def __init__(self, factor):
        self.config = type(
            "Config", (), {"scaling_factor": factor, "block_out_channels": codec.KNOWN_VAE_CHANNELS}
        )


@pytest.mark.parametrize("factor", [0.13025, 0.18215])
def test_known_vaes_have_a_fitted_matrix(factor):
    matrix = codec.preview_matrix(KnownVae(factor))
    assert matrix.shape == (5, 3)
    # A larger first channel is a brighter picture in both.
    assert (matrix[0] > 0.2).all()


def test_a_models_own_matrix_takes_precedence(model):
    own = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert codec.preview_matrix(model.vae, own).tolist() == own
