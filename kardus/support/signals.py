"""What is done when a signal comes."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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


@contextlib.contextmanager
def deferred_signals() -> Iterator[None]:
    """Signals that have a handler in Python are handled when what is inside is over. In the main thread; else as ever.

    For libraries in C++ that call Python back: an exception which a handler raises in there ends the whole process.
    """
    come: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    former = {number: signal.getsignal(number) for number in _ENDING if is_main and callable(signal.getsignal(number))}
    for number in former:
        signal.signal(number, lambda number, _: come.append(number))
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if come:
            signal.raise_signal(come[0])
