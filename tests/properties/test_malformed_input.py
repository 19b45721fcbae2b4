"""Malformed requests of any kind to every endpoint and handler: no traceback of ours, and the app answers after."""

import json
import logging
import os
import re
import shutil
import sysconfig
import traceback
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import httpx
import pytest
from gradio.utils import get_upload_folder
from hypothesis import HealthCheck, given, settings

from engine.paths import ROOT
from engine.runs.events import Stopped
from engine.serving.entry import Request
from tests.support.malformed_requests import OWNER, Post, Upload, malformed_requests
from tests.support.planning import small_recipe
from ui.session.client import OWNER_HEADER

# The number of inputs of the fast test and of the slow one. FUZZ_INPUTS=20000 makes the slow one longer.
FEW_INPUTS, MANY_INPUTS = 200, int(os.environ.get("FUZZ_INPUTS", "2000"))
# After this many inputs the app must answer a valid request correctly.
BATCH = 50
# Seconds in which each request must be answered.
TIMEOUT = 30.0
# Matches a frame of a traceback: the path of the file and the line of code.
FRAME = re.compile(r'File "([^"]+)", line \d+, in .+\n +(.+)')


class StoppingWorker:
    """A worker that stops every run before its next stage."""

    def __init__(self, worker):
        self.load, self.loaded_facts, self.stop = worker.load, worker.loaded_facts, worker.stop

    def make_stage(self, run, number, model):
        return iter([Stopped(number, 0)])


class Fuzzer:
    """Sends requests to a running app, and checks after each what was answered and logged."""

    def __init__(self, app, photo: Path, capfd, tracebacks: list[str]) -> None:
        self.app, self.capfd, self.tracebacks = app, capfd, tracebacks
        # A connection for each request, because the server closes the connection after some faults.
        one_each = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.Client(base_url=app.url, timeout=TIMEOUT, limits=one_each)
        self.config = self.client.get("config").json()
        self.prefix = self.config["api_prefix"].strip("/")
        self.sent = 0
        self.run = self._make_run()
        uploaded = self._upload(Upload("photo.png", photo.read_bytes())).json()[0]
        self.known = (self.run.name, uploaded, OWNER)
        # Beginnings of paths on the server.
        self.server_paths = (str(ROOT), f"{gettempdir()}/", sysconfig.get_path("purelib"), f"{Path.home()}/")

    def _make_run(self) -> Path:
        """Return the folder of a finished run. All later runs are stopped before their first stage."""
        queue = self.app.services.queue
        name = queue.submit(Request(small_recipe(scales=(1,), steps=4), owner=OWNER))
        list(queue.follow(name))
        (slot,) = queue._slots  # The worker itself serves other apps too.
        slot.worker = StoppingWorker(slot.worker)
        folder = self.app.services.cache.root / name
        shutil.copytree(folder, self._copy_of(folder))
        return folder

    def _copy_of(self, run: Path) -> Path:
        """Return the folder with a copy of a run's files."""
        return run.parents[1] / "copy of the run"

    def send(self, request: Post | Upload) -> None:
        """Send a request, wait until it is carried out, and check the answers and what was logged."""
        if not self.run.exists():  # An earlier request of its owner has removed it.
            shutil.copytree(self._copy_of(self.run), self.run)
        if isinstance(request, Upload):
            self._upload_and_read(request)
        else:
            self._post(request)
        self.check_log()
        self.sent += 1
        if self.sent % BATCH == 0:
            self.expect_correct_plan()

    def check_log(self) -> None:
        """Check that no traceback with a frame of ours was printed or logged since the last call."""
        logged = "".join([self.capfd.readouterr().err, *self.tracebacks])
        self.tracebacks.clear()
        assert not frames_of_ours(logged), logged

    def expect_correct_plan(self) -> None:
        """Check that the app answers a valid request correctly."""
        fields = {"prompt": "a red house", "scales": [1, 2], "steps": 4}
        event = self.client.post(f"{self.prefix}/call/v2/plan", json=fields).json()["event_id"]
        answer = self.client.get(f"{self.prefix}/call/v2/plan/{event}").text
        (planned,) = json.loads(answer.partition("data: ")[2])
        assert [stage["size"] for stage in planned["stages"]] == [[128, 128], [256, 256]]

    def _post(self, post: Post) -> None:
        """Post a body, wait for the events that follow, and check all answers."""
        headers = {"content-type": post.content_type} | ({OWNER_HEADER: OWNER} if post.is_owner else {})
        url = f"{self.prefix}/{post.path}"
        answer = self.client.post(url, content=post.content, headers=headers).text
        self._check_answer(answer)
        event = re.fullmatch(r'\{"event_id":"([0-9a-f]+)"\}', answer)
        if event and post.path.startswith("call/"):
            self._check_answer(self.client.get(f"{url}/{event[1]}").text)
        elif event and post.session:
            query = {"session_hash": post.session}
            self._check_answer(self.client.get(f"{self.prefix}/queue/data", params=query).text)

    def _upload(self, file: Upload) -> httpx.Response:
        """Upload a file under any name."""
        name = json.dumps(file.name).encode()
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename=' + name + b"\r\n\r\n"
        return self.client.post(
            f"{self.prefix}/upload",
            content=head + file.content + b"\r\n--x--\r\n",
            headers={"content-type": "multipart/form-data; boundary=x"},
        )

    def _upload_and_read(self, file: Upload) -> None:
        """Upload a file, and have it read by the endpoint `read` and by the handler of dropped files."""
        uploaded = self._upload(file)
        assert "Traceback" not in uploaded.text
        if uploaded.status_code == 200:
            data = {"path": uploaded.json()[0], "meta": {"_type": "gradio.FileData"}}
            self._post(Post("run/read", json.dumps({"data": [data]}).encode()))
            self._post(self._drop(data))

    def _drop(self, data: dict[str, Any]) -> Post:
        """Return the event that an uploaded file is dropped on the page."""
        defaults = {each["id"]: each["props"].get("value") for each in self.config["components"]}
        (zone,) = (each["id"] for each in self.config["components"] if each["props"].get("elem_id") == "drop")
        (handler,) = (each for each in self.config["dependencies"] if [zone, "upload"] in each["targets"])
        values = [data if each == zone else defaults.get(each) for each in handler["inputs"]]
        body = {"fn_index": handler["id"], "data": values, "session_hash": "drop"}
        return Post("run/predict", json.dumps(body).encode(), session="drop")

    def _check_answer(self, answer: str) -> None:
        """Check that an answer has no traceback, and no path on the server but those of files for the browser."""
        assert "Traceback" not in answer
        # A visitor knows the path of an own upload, and may have sent it as a prompt.
        text = re.sub(r'"(path|url)": ?"[^"]*"', "", answer).replace(get_upload_folder(), "")
        for path in self.server_paths:
            assert path not in text, answer


def frames_of_ours(log: str) -> list[str]:
    """Return the frames of tracebacks in a log that are in engine or ui.

    A middleware that passes a request on to the rest of the app is left out.
    """
    folders = (str(ROOT / "engine"), str(ROOT / "ui"))
    return [
        f"{path}: {code}"
        for path, code in FRAME.findall(log)
        if path.startswith(folders) and not code.startswith("await self.app(")
    ]


@pytest.fixture
def tracebacks():
    """A list that gets the traceback of each exception that is logged, whatever becomes of the record."""
    found = []
    make_record = logging.getLogRecordFactory()

    def make_and_look(*arguments, **named):
        record = make_record(*arguments, **named)
        if record.exc_info and record.exc_info[0]:
            found.append("".join(traceback.format_exception(*record.exc_info)))
        return record

    logging.setLogRecordFactory(make_and_look)
    yield found
    logging.setLogRecordFactory(make_record)


@pytest.fixture
def fuzzer(running_app, photo, capfd, tracebacks):
    """Sends requests to the running app."""
    return Fuzzer(running_app, Path(photo), capfd, tracebacks)


def send_inputs(fuzzer: Fuzzer, count: int, **options) -> None:
    """Send so many malformed requests."""

    @settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **options,
    )
    @given(malformed_requests(fuzzer.config, fuzzer.known))
    def send(request):
        fuzzer.send(request)

    send()
    fuzzer.expect_correct_plan()
    fuzzer.check_log()
    assert fuzzer.sent >= count


def test_the_fuzzer_finds_frames_of_ours_only():
    own = f'  File "{ROOT}/ui/api.py", line 1, in read\n    recall(path)\n'
    passed_on = (
        f'  File "{ROOT}/ui/web/x.py", line 1, in __call__\n    await self.app(scope, receive, send)\n'
    )
    other = '  File "/lib/gradio/routes.py", line 1, in predict\n    await run()\n'
    assert frames_of_ours(passed_on + other) == []
    assert frames_of_ours(other + own + other) == [f"{ROOT}/ui/api.py: recall(path)"]


def test_malformed_input_raises_nothing_of_ours(fuzzer):
    # The same inputs each time: a change of something else must not fail because of an input never tried before.
    send_inputs(fuzzer, FEW_INPUTS, derandomize=True)


@pytest.mark.slow
def test_much_malformed_input_raises_nothing_of_ours(fuzzer):
    send_inputs(fuzzer, MANY_INPUTS)
