"""Rules for the modules of the project. import-linter checks the layers (contracts in pyproject.toml)."""

import ast
import importlib
import os
import subprocess
import sys
import tomllib

from importlinter.cli import lint_imports

from engine.paths import ROOT
from tests.support.processes import run_without_modules

LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
HEAVY_PACKAGES = ["torch", "diffusers", "transformers"]


def imported_names(path):
    """Yield the top-level package of each import in a file, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def python_files(folder):
    """List the Python files in a folder and its subfolders."""
    return sorted((ROOT / folder).rglob("*.py"))


def module_name(path):
    """Return the dotted name of a file's module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def light_modules():
    """List the modules that may not import torch, by the contract in pyproject.toml."""
    (contract,) = (
        each for each in LINTER["contracts"] if "torch" in each["name"] and "light" in each["name"]
    )
    listed = contract["source_modules"]
    return [
        module_name(path)
        for path in python_files("engine")
        if any(module_name(path) == name or module_name(path).startswith(f"{name}.") for name in listed)
    ]


def test_no_module_imports_from_a_higher_layer(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_every_light_module_is_imported_without_torch():
    code = f"import importlib\nfor name in {light_modules()!r}: importlib.import_module(name)\nprint('all')"
    done = run_without_modules(HEAVY_PACKAGES, code)
    assert done.stdout.strip() == "all", done.stderr


def test_every_module_is_imported():
    for path in [*python_files("engine"), *python_files("ui"), *python_files("lab")]:
        importlib.import_module(module_name(path))


def test_a_folder_holds_at_most_18_files():
    for top in ("engine", "ui", "lab"):
        for folder in {path.parent for path in python_files(top)}:
            assert len(list(folder.glob("*.py"))) <= 18, folder


def test_no_exported_name_equals_a_submodules():
    for path in ROOT.glob("engine/**/__init__.py"):
        names = {each.stem for each in path.parent.glob("*.py")} | {
            each.parent.name for each in path.parent.glob("*/__init__.py")
        }
        tree = ast.parse(path.read_text(encoding="utf-8"))
        exported = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert not names & exported, path


def test_app_imports_no_heavy_package():
    assert not {"torch", "diffusers", "transformers", "lab"} & set(imported_names(ROOT / "app.py"))


def test_importing_the_app_loads_no_weights(tmp_path):
    code = (
        "import sys, app, gradio; "
        "print('torch' in sys.modules, 'diffusers' in sys.modules, isinstance(app.demo, gradio.Blocks))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"STUDIO_RUNS": str(tmp_path)},
    )
    assert done.stdout.split()[-3:] == ["False", "False", "True"], done.stderr


def test_the_engine_plans_without_torch():
    code = """
from engine import Recipe, plan
from engine.catalogue.entries import Facts, family_buckets, family_defaults
config = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading", "steps_offset": 1}
facts = Facts(name="x", family="sdxl", window=128, cell=8, channels=4, scheduler=config,
              defaults=family_defaults("sdxl"), buckets=family_buckets("sdxl", 1024))
print(plan(Recipe(scales=(1, 2), economy=0, guidance=1), facts).evaluations)
"""
    done = run_without_modules(HEAVY_PACKAGES, code)
    assert done.stdout.strip() == str(50 * (1 + 9 + 4)), done.stderr


def test_importing_the_engine_does_not_load_torch():
    code = (
        "import sys, engine; print('torch' in sys.modules, engine.generate.__name__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "generate", "True"], done.stderr


def modules_that_call(name):
    """Yield each engine module that calls a function or method of this name."""
    for path in python_files("engine"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == name:
                yield module_name(path)


def test_only_one_module_loads_weights():
    assert (
        set(modules_that_call("from_pretrained"))
        == set(modules_that_call("from_single_file"))
        == {"engine.network.models"}
    )


def test_only_one_module_loads_loras():
    assert set(modules_that_call("load_lora_weights")) == {"engine.network.lora"}


def test_only_the_denoiser_calls_the_network():
    assert set(modules_that_call("predict")) == {"engine.sampling.denoiser"}


def test_noise_is_never_added_by_a_scheduler():
    assert not set(modules_that_call("add_noise"))


def test_no_module_runs_code_from_a_pickle():
    """The only torch.load reads an upscaler's .pth file, of which it takes nothing but tensors."""
    for path in python_files("engine"):
        text = path.read_text(encoding="utf-8")
        calls = [line.strip() for line in text.splitlines() if "torch.load" in line]
        if module_name(path) == "engine.upscale.load":
            assert len(calls) == 1
            assert calls[0].endswith("weights_only=True)")
            assert "with weights.force_weights_only():" in text
        else:
            assert calls == [], path
        assert "pickle.load" not in text, path


RANDOM_FUNCTIONS = {
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


def test_only_the_noise_module_draws_random_numbers():
    for path in python_files("engine"):
        if module_name(path) == "engine.formulas.noise":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {getattr(node.func, "attr", "") for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not RANDOM_FUNCTIONS & called, path
        assert "random" not in set(imported_names(path)), path


def test_only_the_codec_calls_the_vae():
    users = {
        module_name(path)
        for path in python_files("engine")
        if "vae.decode" in path.read_text(encoding="utf-8")
    }
    assert users == {"engine.vae.codec"}


def test_the_loop_has_at_most_40_lines():
    assert (ROOT / "engine" / "loop.py").read_text(encoding="utf-8").count("\n") <= 40
