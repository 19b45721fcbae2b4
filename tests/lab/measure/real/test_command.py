"""Pictures of real models are measured as by published code. Tiny networks stand in for the real ones."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import avg_pool2d

from lab.measure.crops import crop_corners
from lab.measure.distances import clip_score, frechet, inception_score, kernel
from lab.measure.real import command as real
from lab.measure.real.inputs import find_pictures
from lab.measure.real.networks import Features, load_clip, read_tensors, shrunk
from tests.support.tiny import tokenizer

needs_torch_fidelity = pytest.mark.skipif(
    find_spec("torch_fidelity") is None,
    reason="torch-fidelity is not here: pip install -r requirements-extra.txt",
)
CASES = np.load(Path(__file__).parents[3] / "reference" / "metrics-public.npz", allow_pickle=False)
FEATURE_CASES = sorted({name.split("/")[1] for name in CASES.files if name.startswith("fid/")})
NUMBER, SIZE = 12, (40, 48)
CROP, PATCH, COUNT = 24, 16, 3
SMALL_CROPS = ["--crop", str(CROP), "--patch", str(PATCH), "--crops", str(COUNT)]


def save_pictures(folder, seed, number=NUMBER, size=SIZE):
    """Write pictures of random colours with some structure; return the folder."""
    folder.mkdir(parents=True)
    draw = np.random.RandomState(seed)
    for k in range(number):
        small = draw.randint(0, 256, (5, 6, 3), np.uint8)
        Image.fromarray(small).resize(size[::-1], Image.Resampling.BICUBIC).save(folder / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return folders of generated and of reference pictures, and a file of prompts."""
    root = tmp_path_factory.mktemp("pictures")
    prompts = root / "prompts.txt"
    prompts.write_text("\n".join(f"picture number {k}" for k in range(NUMBER)) + "\n", encoding="utf-8")
    return save_pictures(root / "made", 1), save_pictures(root / "true", 2), prompts


@pytest.fixture(scope="module")
def tiny_network():
    """Return a class like torch-fidelity's Inception, with 64 features of 8 x 8 px cells, and its weights."""
    pytest.importorskip("torch_fidelity")
    from torch_fidelity import FeatureExtractorBase

    class TinyInception(FeatureExtractorBase):
        def __init__(self, name, features_list, feature_extractor_weights_path=None, **kwargs):
            super().__init__(name, features_list)
            self.cells = torch.nn.Linear(3 * 4 * 4, 64)
            self.fc = torch.nn.Linear(64, 10)
            if feature_extractor_weights_path is not None:
                # As the library reads it.
                self.load_state_dict(torch.load(feature_extractor_weights_path, weights_only=False))

        def forward(self, input):
            seen = avg_pool2d(input.float() / 128 - 1, 4)[:, :, :4, :4].flatten(1)
            features = self.cells(seen).relu()
            made = {"64": features, "logits": 3 * self.fc(features)}
            return tuple(made[name] for name in self.features_list)

        @staticmethod
        def get_provided_features_list():
            return "64", "logits"

        @staticmethod
        def get_default_feature_layer_for_metric(metric):
            return "logits" if metric == "isc" else "64"

        @staticmethod
        def can_be_compiled():
            return False

    torch.manual_seed(0)
    return TinyInception, TinyInception("inception-v3-compat", ["64", "logits"]).state_dict()


@pytest.fixture
def inception(tiny_network, tmp_path, monkeypatch):
    """Return the file of the tiny network, which stands in for Inception."""
    network, tensors = tiny_network
    monkeypatch.setattr("torch_fidelity.FeatureExtractorInceptionV3", network)
    file = tmp_path / "inception.pth"
    torch.save(tensors, file)
    return file


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """Return a folder with a tiny CLIP model of random weights and its processor."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    folder, words = tmp_path_factory.mktemp("clip"), tokenizer()
    layers = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    text = {"vocab_size": len(words), "max_position_embeddings": 20, **layers, **ends}
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=text, vision_config={"image_size": 32, "patch_size": 16, **layers}, projection_dim=8
    )
    model = CLIPModel(config)
    model.logit_scale.data.fill_(np.log(50))
    model.visual_projection.weight.data.neg_()  # So that the mean cosine is above 0.
    model.save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=images, tokenizer=words).save_pretrained(folder)
    return folder


def run(tmp_path, *arguments):
    """Run the command and return what it wrote."""
    out = tmp_path / "out" / "metrics.json"
    real.main([*map(str, arguments), "--out", str(out)])
    return json.loads(out.read_text(encoding="utf-8"))


def refusal(capsys, *arguments):
    """Run the command, which must refuse, and return its sentence."""
    with pytest.raises(SystemExit) as stopped:
        real.main([str(argument) for argument in arguments])
    assert stopped.value.code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    return sentence


def features_of(network, tensors, folder, side=0):
    """Return the features of a folder's pictures, or of their crops, by a plain statement."""
    one = network("inception-v3-compat", ["64", "logits"])
    one.load_state_dict(tensors)
    vectors, logits = [], []
    for number in range(NUMBER):
        picture = np.asarray(Image.open(folder / f"{number}.png"))
        corners = crop_corners(picture.shape[:2], number, COUNT, 0, side) if side else [(0, 0)]
        for top, left in corners:
            part = picture[top : top + side, left : left + side] if side else picture
            a, b = one(torch.from_numpy(part.copy()).permute(2, 0, 1)[None])
            vectors.append(a[0].double().detach().numpy())
            logits.append(b[0].double().detach().numpy())
    return np.array(vectors), np.array(logits)


def shuffled(logits):
    """Return logits in the order in which torch-fidelity takes them."""
    return logits[np.random.RandomState(2020).permutation(len(logits))]


@needs_torch_fidelity
@pytest.mark.parametrize("case", FEATURE_CASES)
def test_distances_through_the_library_are_those_of_distances_py_and_the_published_ones(case):
    a, b = CASES[f"fid/{case}/a"], CASES[f"fid/{case}/b"]
    logits = CASES["is/a/logits"]
    found = real.compare(Features(a, logits), Features(b, logits))
    assert found["FID"] == pytest.approx([frechet(a, b)], rel=1e-6)
    assert found["FID"] == pytest.approx([float(CASES[f"fid/{case}/frechet"])], rel=1e-6)
    size, draw = min(len(a), len(b)), np.random.RandomState(2020)
    subsets = [
        kernel(a[draw.choice(len(a), size, replace=False)], b[draw.choice(len(b), size, replace=False)])
        for _ in range(real.KID_SUBSETS)
    ]
    assert found["KID"] == pytest.approx([np.mean(subsets), np.std(subsets)], rel=1e-6, abs=1e-12)
    if case == "a":
        assert found["KID"][0] == pytest.approx(float(CASES["fid/a/kernel"]), abs=1e-9)


@needs_torch_fidelity
def test_the_inception_score_through_the_library_is_the_published_one():
    a, logits = CASES["fid/a/a"], CASES["is/a/logits"]
    found = real.compare(Features(a, logits), Features(a, logits))
    assert found["IS"] == pytest.approx(CASES["is/a/published"], rel=1e-6)
    assert found["IS"] == pytest.approx(inception_score(shuffled(logits)), rel=1e-6)


@pytest.mark.parametrize(
    ("prefix", "side"),
    [(real.WHOLE, 0), (real.CROPS, CROP), (real.PATCHES, PATCH)],
    ids=["whole", "crop", "patch"],
)
def test_the_command_measures_whole_pictures_crops_and_patches(
    prefix, side, folders, inception, tiny_network, tmp_path
):
    made, true, _ = folders
    found = run(tmp_path, "--generated", made, "--reference", true, "--inception", inception, *SMALL_CROPS)
    metrics = found["rows"][0]["metrics"]
    network, tensors = tiny_network
    (a, logits), (b, _) = (features_of(network, tensors, folder, side) for folder in (made, true))
    assert len(a) == NUMBER * (COUNT if side else 1)
    assert metrics[prefix.format("FID")] == pytest.approx([frechet(a, b)], rel=1e-6)
    assert metrics[prefix.format("KID")][0] == pytest.approx(kernel(a, b), rel=1e-6, abs=1e-9)
    assert metrics[prefix.format("IS")] == pytest.approx(inception_score(shuffled(logits)), rel=1e-6)


def test_whole_pictures_have_the_numbers_of_the_librarys_own_command(
    folders, inception, tiny_network, tmp_path, monkeypatch
):
    import torch_fidelity
    from torch_fidelity import registry

    made, true, _ = folders
    monkeypatch.setitem(registry.FEATURE_EXTRACTORS_REGISTRY, "inception-v3-compat", tiny_network[0])
    ours = run(tmp_path, "--generated", made, "--reference", true, "--inception", inception, *SMALL_CROPS)
    published = torch_fidelity.calculate_metrics(
        input1=str(made), input2=str(true), fid=True, kid=True, isc=True, kid_subset_size=NUMBER, cuda=False,
        feature_extractor="inception-v3-compat", feature_extractor_weights_path=str(inception), cache=False,
        verbose=False, save_cpu_ram=True,
    )  # fmt: skip
    # The library's own features and means have single precision.
    metrics = ours["rows"][0]["metrics"]
    assert metrics["FID"] == pytest.approx([published["frechet_inception_distance"]], rel=1e-4)
    assert metrics["KID"][0] == pytest.approx(published["kernel_inception_distance_mean"], rel=1e-4)
    order = [int(path.stem) for path in find_pictures(made)]
    assert order == list(range(NUMBER))


def test_equal_folders_have_no_distance(folders, inception, tmp_path):
    made = folders[0]
    found = run(tmp_path, "--generated", made, "--reference", made, "--inception", inception, *SMALL_CROPS)
    metrics = found["rows"][0]["metrics"]
    for prefix in (real.WHOLE, real.CROPS, real.PATCHES):
        assert metrics[prefix.format("FID")] == pytest.approx([0], abs=1e-5)


def test_clip_and_preference_scores_are_those_of_the_model(folders, clip_folder, tmp_path):
    made, _, prompts = folders
    names = ("--clip", clip_folder, "--preference", clip_folder)
    found = run(tmp_path, "--generated", made, "--prompts", prompts, *names)
    clip = load_clip(clip_folder, torch.device("cpu"))
    own = []
    for k in range(NUMBER):
        inputs = clip.processor(
            text=[f"picture number {k}"], images=Image.open(made / f"{k}.png"), return_tensors="pt"
        )
        own.append(clip.model(**inputs).logits_per_image.item())
    metrics = found["rows"][0]["metrics"]
    assert metrics["preference"] == pytest.approx([np.mean(own)], rel=1e-5)
    assert np.mean(own) > 0
    assert metrics["CLIP score"] == pytest.approx([100 * np.mean(own) / 50], rel=1e-5)
    assert "shortest_edge" in found["conditions"]["resizers"]["clip"]


def test_the_clip_score_is_that_of_distances_py(folders, clip_folder):
    paths = find_pictures(folders[0])
    clip = load_clip(clip_folder, torch.device("cpu"))
    prompts = [f"picture number {k}" for k in range(NUMBER)]
    pairs = [clip(np.array(Image.open(path)), prompt) for path, prompt in zip(paths, prompts, strict=True)]
    expected = clip_score(np.stack([p.picture for p in pairs]), np.stack([p.text for p in pairs]))
    assert real.text_scores(paths, prompts, clip)[0] == pytest.approx(expected, rel=1e-6)


def test_a_prompt_that_is_too_long_is_cut_before_its_end_token_and_counted(clip_folder):
    clip = load_clip(clip_folder, torch.device("cpu"))
    picture = np.zeros((32, 32, 3), np.uint8)
    pairs = [clip(picture, prompt) for prompt in ("a" * 18, "a" * 18 + " and more", "a b")]
    assert [pair.is_cut for pair in pairs] == [False, True, False]
    start, *letters, end = clip.processor.tokenizer("a" * 30).input_ids
    pixels = torch.zeros(1, 3, 32, 32)
    kept = clip.model(input_ids=torch.tensor([[start, *letters[:18], end]]), pixel_values=pixels)
    assert clip(picture, "a" * 30).text == pytest.approx(kept.text_embeds[0].detach().numpy())


def test_prompts_by_name_belong_to_the_pictures_of_these_names(folders, clip_folder, tmp_path):
    made, _, prompts = folders
    by_name = tmp_path / "prompts.json"
    lines = prompts.read_text(encoding="utf-8").splitlines()
    by_name.write_text(json.dumps({f"{k}.png": lines[k] for k in reversed(range(NUMBER))}), encoding="utf-8")
    scores = [
        run(tmp_path, "--generated", made, "--prompts", file, "--preference", clip_folder)["rows"][0][
            "metrics"
        ]
        for file in (prompts, by_name)
    ]
    assert scores[0] == scores[1]


def test_the_table_has_a_row_for_each_folder_and_names_the_resizer(
    folders, inception, clip_folder, tmp_path, capsys
):
    made, true, prompts = folders
    arguments = ("--generated", made, true, "--reference", true, "--inception", inception, *SMALL_CROPS)
    run(tmp_path, *arguments, "--prompts", prompts, "--clip", clip_folder)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "| pictures | number, px | FID | KID x 1000 | IS | FID of crops | KID of crops x 1000 | IS of crops "
        "| patch FID | patch KID x 1000 | patch IS | CLIP score |"
    )
    assert lines[2].startswith(f"| {made} | 12, 48 x 40 | ")
    assert lines[3].startswith(f"| {true} | 12, 48 x 40 | 0.00 | ")
    assert "inception: torch-fidelity's TensorFlow-1 bilinear to 299 px, without antialiasing." in lines
    assert "3 crops of 24 px and 3 patches of 16 px of each picture (our choice), corners by seed 0." in lines


def test_conditions_name_weights_versions_and_shrinking(folders, inception, tmp_path):
    made, true, _ = folders
    arguments = (
        "--generated",
        made,
        "--reference",
        true,
        "--inception",
        inception,
        "--crop",
        0,
        "--patch",
        0,
    )
    found = run(tmp_path, *arguments, "--shrink-above", 32)
    assert "above 32 px are first shrunk by area" in found["conditions"]["resizers"]["inception"]
    assert len(found["conditions"]["weights"]["inception"][0]) == 64
    assert set(found["conditions"]["versions"]) == {"torch", "transformers", "torch-fidelity"}
    metrics = found["rows"][0]["metrics"]
    assert set(metrics) == {"FID", "KID", "IS"}
    assert metrics != run(tmp_path, *arguments)["rows"][0]["metrics"]


def test_pictures_are_shrunk_by_area_to_the_longer_side():
    picture = np.random.RandomState(0).randint(0, 256, (8, 16, 3), np.uint8)
    means = picture.reshape(4, 2, 8, 2, 3).mean((1, 3))
    assert np.abs(shrunk(picture, 8) - means).max() <= 0.5
    assert shrunk(picture, 16) is picture
    assert shrunk(picture, 0) is picture


@needs_torch_fidelity
def test_patches_of_299_px_are_not_resized():
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x as resize,
    )

    patch = torch.rand(1, 3, 299, 299)
    assert torch.equal(resize(patch, size=(299, 299), align_corners=False), patch)


@needs_torch_fidelity
@pytest.mark.slow
def test_the_real_network_is_loaded_from_its_tensors_in_either_format(tmp_path, monkeypatch):
    from torch_fidelity import FeatureExtractorInceptionV3 as Network

    from lab.measure.real.networks import load_inception

    with monkeypatch.context() as patch:  # Without weights, the class would fetch them.
        patch.setattr(
            "torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *a, **k: {}
        )
        patch.setattr(Network, "load_state_dict", lambda self, tensors: None)
        network = Network("inception-v3-compat", ["2048", "logits_unbiased"])
    tensors = network.state_dict()
    torch.save(tensors, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(tensors, tmp_path / "new.safetensors")
    picture = np.random.RandomState(0).randint(0, 256, (320, 300, 3), np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(picture).permute(2, 0, 1)[None])
    for file in ("old.pth", "new.safetensors"):
        found = load_inception(tmp_path / file, torch.device("cpu")).of_whole(picture)
        assert found.vectors.shape == (1, 2048)
        assert np.allclose(found.vectors, expected[0].numpy())
        assert np.allclose(found.logits, expected[1].numpy())


class Payload:
    """An object whose unpickling makes a file."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_a_pickle_with_code_is_refused_and_not_run(
    folders, tiny_network, inception, tmp_path, capsys, monkeypatch
):
    made, true, _ = folders
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save(tiny_network[1] | {"more": Payload(tmp_path / "was-run")}, inception)
    sentence = refusal(
        capsys, "--generated", made, "--reference", true, "--inception", inception, *SMALL_CROPS
    )
    assert sentence.endswith("is broken, or contains more than tensors, whose code would have to run.")
    assert not (tmp_path / "was-run").exists()


def test_tensors_are_read_from_both_formats_and_nothing_else(tmp_path):
    tensors = {"weight": torch.arange(3.0)}
    save_file(tensors, tmp_path / "a.safetensors")
    torch.save(tensors, tmp_path / "a.pth")
    for name in ("a.safetensors", "a.pth"):
        assert torch.equal(read_tensors(tmp_path / name)["weight"], tensors["weight"])


@pytest.mark.parametrize(
    ("content", "end"),
    [
        ({"cells.weight": torch.zeros(2)}, "weights-inception-2015-12-05-6726825d.pth."),
        ([torch.zeros(2)], "contains something else than named tensors."),
    ],
    ids=["other tensors", "a list"],
)
def test_weights_of_another_network_are_refused(content, end, folders, inception, capsys):
    torch.save(content, inception)
    made, true, _ = folders
    sentence = refusal(
        capsys, "--generated", made, "--reference", true, "--inception", inception, *SMALL_CROPS
    )
    assert sentence.endswith(end)


def test_without_torch_fidelity_a_sentence_says_how_to_install_it(folders, tmp_path, capsys, monkeypatch):
    made, true, _ = folders
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    file = tmp_path / "inception.pth"
    sentence = refusal(capsys, "--generated", made, "--reference", true, "--inception", file, *SMALL_CROPS)
    assert sentence == (
        "torch-fidelity is not installed. Install it with: pip install -r requirements-extra.txt"
    )


def test_folders_that_are_missing_or_too_small_are_refused(folders, tmp_path, capsys):
    rest = ("--prompts", folders[2], "--clip", tmp_path)
    assert refusal(capsys, "--generated", tmp_path / "no", *rest) == f"There is no folder {tmp_path / 'no'}."
    few = save_pictures(tmp_path / "few", 0, 9)
    assert "has 9 pictures (PNG, JPEG or WebP); at least 10" in refusal(capsys, "--generated", few, *rest)


def test_generated_pictures_of_two_sizes_are_refused(folders, tmp_path, capsys):
    mixed = save_pictures(tmp_path / "mixed", 0)
    Image.new("RGB", (50, 40)).save(mixed / "3.png")
    sentence = refusal(capsys, "--generated", mixed, "--prompts", folders[2], "--clip", tmp_path)
    assert "3.png is 50 x 40 px and 0.png is 48 x 40 px" in sentence


def test_pictures_smaller_than_the_crops_are_refused(folders, tmp_path, capsys):
    made, true, _ = folders
    sentence = refusal(capsys, "--generated", made, "--reference", true, "--inception", tmp_path / "x.pth")
    assert sentence.endswith("Choose a smaller side with --crop, or leave these crops out with --crop 0.")


@pytest.mark.parametrize("is_cut", [False, True], ids=["no picture", "cut off"])
def test_a_broken_picture_is_refused(is_cut, folders, clip_folder, tmp_path, capsys):
    broken = save_pictures(tmp_path / "broken", 0)
    content = (broken / "5.png").read_bytes()
    (broken / "5.png").write_bytes(content[: len(content) // 2] if is_cut else b"no picture")
    sentence = refusal(capsys, "--generated", broken, "--prompts", folders[2], "--clip", clip_folder)
    assert sentence.startswith(f"{broken / '5.png'} cannot be read as a picture: ")


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("a.txt", "one\ntwo\n", "has 2 prompts and"),
        ("a.json", '{"0.png": "one"}', "has no prompt for 1.png"),
        ("a.json", "[1, 2]", "must contain a list of prompts"),
        ("a.json", "{", "cannot be read as prompts"),
    ],
)
def test_prompts_that_do_not_fit_the_pictures_are_refused(name, text, part, folders, tmp_path, capsys):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    assert part in refusal(capsys, "--generated", folders[0], "--prompts", file, "--clip", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        ((), "Name weights to measure with"),
        (("--inception", "a.pth"), "--inception and --reference belong together"),
        (("--clip", "a"), "--prompts belongs to --clip and --preference"),
    ],
)
def test_options_that_belong_together_are_asked_for(arguments, start, folders, capsys):
    assert refusal(capsys, "--generated", folders[0], *arguments).startswith(start)


def test_a_clip_folder_without_safetensors_or_of_another_model_is_refused(
    folders, clip_folder, tmp_path, capsys
):
    made, _, prompts = folders
    arguments = ("--generated", made, "--prompts", prompts, "--clip")
    assert "as safetensors" in refusal(capsys, *arguments, tmp_path / "none")
    other = tmp_path / "other"
    other.mkdir()
    for file in clip_folder.iterdir():
        if file.suffix != ".safetensors":
            (other / file.name).write_bytes(file.read_bytes())
    save_file({"weight": torch.zeros(2)}, other / "model.safetensors", {"format": "pt"})
    assert "lacks weights of a CLIP model" in refusal(capsys, *arguments, other)


def test_the_help_explains_both_protocols(monkeypatch, capsys):
    from lab.measure.__main__ import main

    monkeypatch.setattr(sys, "argv", ["lab.measure", "real", "--help"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for words in ("DemoFusion's protocol", "4K protocol", "our choice", "TensorFlow 1", "ImageReward"):
        assert words in text
