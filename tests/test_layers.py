"""The laws between the rooms."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIGHT = """
recipe checks plan sizes stage schedule timesteps views noise events errors methods catalogue
store keys prints shelf recall picture weights pace fitting log ticket desk lender vocabulary share lettering
setting control maps nets detectors seeing sketch
""".split()


def imports(path):
    """Top-level names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def rooms(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def in_a_process_without(modules, code):
    """Runs code where these modules cannot be imported."""
    block = f"import sys\nfor name in {modules!r}: sys.modules[name] = None\n"
    return subprocess.run([sys.executable, "-c", block + code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("path", rooms("engine"), ids=lambda p: p.name)
def test_the_engine_knows_no_page(path):
    assert not {"gradio", "ui", "lab", "app", "spaces"} & set(imports(path))


@pytest.mark.parametrize("path", [*rooms("ui"), ROOT / "app.py"], ids=lambda p: p.name)
def test_the_page_knows_no_network(path):
    assert not {"torch", "diffusers", "transformers", "lab"} & set(imports(path))


def test_importing_the_app_loads_no_weights(tmp_path):
    code = (
        "import sys, app; print('torch' in sys.modules, 'diffusers' in sys.modules, type(app.demo).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"STUDIO_RUNS": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.split()[-3:] == ["False", "False", "Blocks"], done.stderr


@pytest.mark.parametrize(
    "path", [*rooms("ui"), ROOT / "app.py", *sorted((ROOT / "assets" / "web").glob("*.js"))], ids=str
)
def test_a_file_of_the_page_fits_in_the_head(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("name", LIGHT)
def test_light_rooms_import_without_torch(name):
    done = in_a_process_without(["torch", "diffusers", "transformers"], f"import engine.{name}")
    assert done.returncode == 0, done.stderr


def test_the_engine_plans_without_torch():
    code = """
from engine import Recipe, plan
from engine.catalogue.entries import Facts, family_buckets, family_defaults
config = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading", "steps_offset": 1}
facts = Facts(name="x", family="sdxl", window=128, cell=8, channels=4, scheduler=config,
              defaults=family_defaults("sdxl"), buckets=family_buckets("sdxl", 1024))
print(plan(Recipe(scales=(1, 2), economy=0, guidance=1), facts).evaluations)
"""
    done = in_a_process_without(["torch", "diffusers", "transformers"], code)
    assert done.stdout.strip() == str(50 * (1 + 9 + 4)), done.stderr


def test_importing_the_engine_does_not_load_torch():
    code = (
        "import sys, engine; print('torch' in sys.modules, engine.generate.__name__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "generate", "True"], done.stderr


def calls(name):
    """Engine files in which something of this name is called."""
    for path in rooms("engine"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == name:
                yield path.name


def test_only_models_load_weights():
    assert set(calls("from_pretrained")) == set(calls("from_single_file")) == {"models.py"}


def test_only_surgery_puts_loras_on():
    assert set(calls("load_lora_weights")) == {"lora.py"}


def test_only_the_denoiser_calls_the_network():
    assert set(calls("predict")) == {"denoiser.py"}


def test_noise_is_never_added_by_a_scheduler():
    assert not set(calls("add_noise"))


def test_nothing_reads_a_pickle():
    for path in rooms("engine"):
        text = path.read_text(encoding="utf-8")
        assert "torch.load" not in text, path.name
        assert "pickle.load" not in text, path.name


RANDOM = {
    "random",
    "rand",
    "randn",
    "randn_like",
    "rand_like",
    "randint",
    "normal_",
    "uniform_",
    "manual_seed",
}


def test_every_random_draw_is_keyed():
    for path in rooms("engine"):
        if path.name == "noise.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {getattr(node.func, "attr", "") for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not RANDOM & called, path.name
        assert "random" not in set(imports(path)), path.name


def test_only_the_codec_calls_the_vae():
    users = {path.name for path in rooms("engine") if "vae.decode" in path.read_text(encoding="utf-8")}
    assert users == {"codec.py"}


def test_files_and_functions_fit_in_the_head():
    for path in [*rooms("engine"), *rooms("lab"), *rooms("tests")]:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 250, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno <= 40, (path.name, node.name)
