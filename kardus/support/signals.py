"""What is done when a signal comes."""

import signal
import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue


def call_on_signals(numbers: Iterable[int], act: Callable[[], object]) -> None:
    """Have a function called when one of these signals comes, in a thread of its own. In the main thread.

    A handler runs in the midst of whatever the main thread does. One that sets an event waits for ever where it has
    interrupted `Event.wait`, which holds the same lock; putting into a SimpleQueue may interrupt anything.
    """
    come: SimpleQueue[None] = SimpleQueue()

    def follow() -> None:
        while True:
            come.get()
            act()

    threading.Thread(target=follow, name="signals", daemon=True).start()
    for number in numbers:
        signal.signal(number, lambda *_: come.put(None))
