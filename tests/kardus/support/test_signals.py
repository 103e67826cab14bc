"""A signal never stops a program that waits for what the signal sets."""

import subprocess
import sys

from tests.patience import PATIENCE_S

WAITS = """
import os, signal, threading, time
from kardus.support.signals import call_on_signals
stopping = threading.Event()
call_on_signals([signal.SIGTERM, signal.SIGINT], stopping.set)
sending = threading.Thread(target=lambda: [os.kill(os.getpid(), signal.SIGTERM) or time.sleep(0) for _ in range(300)])
sending.start()
while sending.is_alive():
    stopping.wait(0)
    stopping.clear()
os.kill(os.getpid(), signal.SIGINT)
print(stopping.wait(60))
"""


def test_a_signal_that_comes_while_its_event_is_waited_for_is_heard() -> None:
    """An event that the handler itself sets stands still after some tens of signals: the lock is held already."""
    said = subprocess.run([sys.executable, "-c", WAITS], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert said.stdout.strip() == "True"
