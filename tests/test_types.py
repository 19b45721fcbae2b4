"""The annotations of engine and ui. pyright checks them on its own, see [tool.pyright] in pyproject.toml."""

import ast

from engine.paths import ROOT

# The largest number of annotated parameters whose type may be Any.
MAX_ANY_PARAMETERS = 100


def annotated_parameters(path):
    """Yield the annotation of each parameter of the functions in a file, as text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            for parameter in (
                *arguments.posonlyargs,
                *arguments.args,
                *arguments.kwonlyargs,
                arguments.vararg,
                arguments.kwarg,
            ):
                if parameter is not None and parameter.annotation is not None:
                    yield ast.unparse(parameter.annotation)


def test_few_parameters_are_any():
    """Any hides mistakes from the type checker. A value from outside is an object, which must be checked before use."""
    files = [path for folder in ("engine", "ui") for path in sorted((ROOT / folder).rglob("*.py"))]
    annotations = [annotation for path in files for annotation in annotated_parameters(path)]
    assert len(annotations) > 1000
    assert sum(annotation in ("Any", "Any | None") for annotation in annotations) <= MAX_ANY_PARAMETERS
