"""The suite's own manners."""

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
def outcome(pytester, monkeypatch, tmp_path):
    """Runs a browser test on a machine whose only programs are those in tmp_path."""

    def run():
        monkeypatch.setenv("PATH", str(tmp_path))
        pytester.makeini("[pytest]\nmarkers = browser")
        pytester.makepyfile(BROWSER_TEST)
        return pytester.runpytest_inprocess("-rs", "-p", "tests.support.chromium")

    return run


def test_browser_tests_are_skipped_with_the_reason_where_chromium_is_missing(outcome):
    result = outcome()
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*Chromium is not installed*"])


def test_browser_tests_run_where_chromium_is(outcome, tmp_path):
    chromium = tmp_path / "chromium"
    chromium.write_text("#!/bin/sh\n")
    chromium.chmod(stat.S_IRWXU)
    outcome().assert_outcomes(passed=1)
