"""Brings a bundle to where it could take over: fetched, verified, trusted, and right on its golden samples."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_agent.config.sections import ModelSection
from edge_agent.models.acceptance import downgrade, lost_products, not_as_ordered
from edge_agent.models.load import tried
from edge_agent.models.orders import Brought, Candidate, Order, Progress, Refused
from edge_agent.models.store import sha256_of
from kardus.contract.manifest import Manifest
from kardus.inference.bundle import Bundle, parse_bundle, require_trust
from kardus.support.errors import BundleError, KardusError

log = logging.getLogger("kardus.models")


@dataclass(frozen=True)
class Standard:
    """What a bundle is held against, as it was when the bundle was wanted."""

    settings: ModelSection
    present: Manifest
    """The manifest of the model in use."""
    expected: frozenset[str]
    """The products that the WMS expects here."""
    refused: dict[str, str]
    """Bundles (SHA-256) that were refused before, and why."""


class Bringer:
    """One bundle on its way, in a thread of its own."""

    def __init__(self, order: Order, staging: Path, standard: Standard, hand_over: Callable[[Brought], None]) -> None:
        """Begin. What becomes of it is handed over from the thread."""
        self._order = order
        self._staged = staging / f"{id(order):x}.bundle"
        self._standard = standard
        self._hand_over = hand_over
        self._stopping = threading.Event()
        threading.Thread(target=self._run, name="bundle", daemon=True).start()

    def stop(self) -> None:
        """It isn't wanted any more; what it hands over from now on is of no interest."""
        self._stopping.set()

    def _run(self) -> None:
        sha256 = ""
        try:
            sha256 = self._bring_bytes()
            self._hand_over(Progress(self._order, "verifying"))
            self._hand_over(self._verified(sha256))
        except KardusError as error:
            self._refuse(str(error), sha256)
        except Exception as error:  # the thread's outermost guard: a bundle must never cost the agent more than itself
            log.exception("a bundle brought an error that nobody thought of")
            self._refuse(f"{type(error).__name__}: {error}", sha256)

    def _bring_bytes(self) -> str:
        from edge_agent.models.fetch import copy, fetch  # noqa: PLC0415 - an agent starts sooner without HTTP

        command, file = self._order.command, self._order.file
        if command is not None:
            self._refuse_known(command.sha256)
            self._hand_over(Progress(self._order, "fetching"))
            fetch(command, self._staged, self._standard.settings.ca_file, self._stopping)
            return command.sha256
        if file is None:
            raise KardusError("neither an address nor a file is named")
        self._refuse_known(sha256_of(file))
        return copy(file, self._staged)

    def _refuse_known(self, sha256: str) -> None:
        reason = self._standard.refused.get(sha256, "")
        if reason and not self._order.force:
            raise BundleError(f"this bundle was refused before ({reason}): bring another one, or force it")

    def _verified(self, sha256: str) -> Candidate:
        """Everything that can be said of a bundle without a camera.

        Raises:
            BundleError: it can't be used, or mustn't be.
        """
        bundle = self._parsed()
        settings = self._standard.settings
        require_trust(bundle, settings.trust, allow_unsigned=settings.allow_unsigned)
        problem = self._unwanted(bundle.manifest)
        if problem:
            raise BundleError(f"{bundle.source}: {problem}")
        return Candidate(self._order, self._staged, sha256, bundle, tried(bundle, settings))

    def _parsed(self) -> Bundle:
        """Messages name the bundle as whoever brought it does."""
        command, file = self._order.command, self._order.file
        source = command.url if command else str(file)
        try:
            data = self._staged.read_bytes()
        except OSError as error:
            raise BundleError(f"{self._staged}: cannot be read ({error.strerror}): check the disk") from error
        return parse_bundle(data, source)

    def _unwanted(self, new: Manifest) -> str:
        present = self._standard.present
        problem = not_as_ordered(new, self._order.command) if self._order.command else ""
        if problem or self._order.force:
            return problem
        return downgrade(new, present) or lost_products(new, present, self._standard.expected)

    def _refuse(self, reason: str, sha256: str) -> None:
        with contextlib.suppress(OSError):
            self._staged.unlink(missing_ok=True)
        self._hand_over(Refused(self._order, reason, sha256))
