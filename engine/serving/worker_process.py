"""The process of a worker: loads models and makes stages when the app asks for it. See process_worker.py.

python -m engine.serving.worker_process FD

FD: the file descriptor of a connection to the app. The first message is a Settings. The process ends when the other end
of the connection is gone, even in the middle of a stage; so none is left behind by an app that was killed.
"""

import logging
import os
import sys
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from engine.errors import Fault
from engine.serving.messages import (
    Answer,
    Loaded,
    LoadFailed,
    LoadModel,
    MakeStage,
    Order,
    Settings,
    StageEnded,
    StopRun,
)
from engine.serving.model_pool import ModelPool

log = logging.getLogger(__name__)


def serve(connection: "Connection[Answer, Any]") -> None:
    """Carry out orders until the connection is closed."""
    settings: Settings = connection.recv()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("engine").setLevel(settings.log_level)
    pool = ModelPool(settings.entries, settings.device, settings.dtype, settings.offload)
    (worker,) = pool.workers
    orders: SimpleQueue[LoadModel | MakeStage] = SimpleQueue()

    def receive() -> None:
        """Pass orders on, and stop runs at once. End the process when the app has closed the connection."""
        while True:
            try:
                order: Order = connection.recv()
            except (EOFError, OSError):
                os._exit(0)
            except Exception:  # Which order it was is unknown, so the app would wait for an answer for ever.
                log.exception("an order could not be read")
                os._exit(1)
            if isinstance(order, StopRun):
                worker.stop(order.run)
            else:
                orders.put(order)

    threading.Thread(target=receive, name="orders", daemon=True).start()
    while True:
        match orders.get():
            case LoadModel(model):
                try:
                    connection.send(Loaded(pool.load(model), pool.free_memory(model)))
                except Fault as fault:
                    connection.send(LoadFailed(fault))
            case MakeStage(run, number, model):
                for event in worker.make_stage(run, number, model):
                    connection.send(event)
                facts = pool.loaded_facts(model)
                connection.send(StageEnded(facts and Loaded(facts, pool.free_memory(model))))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
