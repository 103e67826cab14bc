"""Takes commands in and sees that each is answered, also one whose answer takes its time."""

from collections.abc import Callable, Mapping

from edge_agent.control.commands import AddressedReply, CommandHandler, CommandRequest, carry_out
from kardus.contract.commands import Reply


class CommandDispatcher:
    """Owned by the agent's thread; replies that take their time come from another."""

    def __init__(
        self,
        handlers: Mapping[str, CommandHandler],
        reply: Callable[[str, bytes, Reply], None],
        do_later: Callable[[Callable[[], object]], bool],
        count: Callable[[str, str], None],
    ) -> None:
        """Keep the parts that it uses.

        Args:
            handlers: by the command's name.
            reply: sends a reply to a topic, with correlation data; from any thread.
            do_later: has something done by another thread; whether there was room.
            count: counts a command, by its name and what became of it.
        """
        self._handlers, self._reply, self._do_later, self._count = handlers, reply, do_later, count

    def dispatch(self, request: CommandRequest) -> None:
        """Carry a command out; whoever has sent it is told over the present connection, or not at all."""
        found = carry_out(request, self._handlers)
        if found.job is None:
            self._send(found)
        elif not self._do_later(lambda: self._send(found.finish())):
            self._send(found.refuse("too much else is being read: ask again in a minute"))

    def _send(self, found: AddressedReply) -> None:
        known = found.reply.command in self._handlers
        self._count(found.reply.command if known else "unknown", "done" if found.reply.ok else "refused")
        self._reply(found.topic, found.correlation, found.reply)
