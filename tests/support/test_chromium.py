"""The plugin that skips browser tests where Chromium is missing."""

import stat

import pytest

pytest_plugins = ["pytester"]

BROWSER_TEST = """
import pytest

@pytest.mark.browser
def test_page():
    pass
"""


@pytest.fixture
def run_browser_test(pytester, monkeypatch, tmp_path):
    """A function that runs a browser test with the programs of tmp_path alone; returns pytest's result."""

    def run():
        monkeypatch.setenv("PATH", str(tmp_path))
        pytester.makeini("[pytest]\nmarkers = browser")
        pytester.makepyfile(BROWSER_TEST)
        return pytester.runpytest_inprocess("-rs", "-p", "tests.support.chromium")

    return run


def test_browser_tests_are_skipped_with_the_reason_where_chromium_is_missing(run_browser_test):
    result = run_browser_test()
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*Chromium is not installed*"])


def test_browser_tests_run_where_chromium_is_installed(run_browser_test, tmp_path):
    chromium = tmp_path / "chromium"
    chromium.write_text("#!/bin/sh\n")
    chromium.chmod(stat.S_IRWXU)
    run_browser_test().assert_outcomes(passed=1)
