"""What the steps written in Python share: the log of attempts, and files that appear whole or not at all."""
import json
import os
import pathlib
import time

DATA = pathlib.Path(os.environ["DATA"])
OUT = pathlib.Path(os.environ["OUT"])


def begin():
    """Writes one line for each attempt that starts."""
    OUT.mkdir(parents=True, exist_ok=True)
    task, attempt = os.environ.get("MAINSPRING_TASK_ID", "?"), os.environ.get("MAINSPRING_ATTEMPT", "1")
    with open(OUT / "steps.log", "a") as log:
        log.write(f"{task} attempt={attempt} fence={os.environ.get('MAINSPRING_FENCE', '0')}\n")
    time.sleep(float(os.environ.get("PACE", "0")))


def publish(name, text):
    """Writes a file of the output folder in one step."""
    part = OUT / f"{name}.part.{os.getpid()}"
    part.write_text(text, encoding="utf-8")
    part.replace(OUT / name)


def output(value):
    """Leaves the task's output, for its children and for the API."""
    path = os.environ.get("MAINSPRING_OUTPUT")
    if path:
        pathlib.Path(path).write_text(json.dumps(value))
