"""Intake of a bundle: fetched, verified, its signature trusted, its golden samples run; in a thread of its own."""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_agent.config.sections import ModelSection
from edge_agent.models.acceptance import downgrade_reason, lost_products, not_as_requested
from edge_agent.models.load import golden_checked
from edge_agent.models.store import sha256_of
from edge_agent.models.updates import IntakeProgress, IntakeResult, RefusedBundle, UpdateRequest, VerifiedBundle
from kardus.contract.manifest import Manifest
from kardus.inference.bundle import Bundle, Trust, parse_bundle
from kardus.support.errors import BundleError, KardusError

log = logging.getLogger("kardus.models")


@dataclass(frozen=True)
class AcceptanceCriteria:
    """What a bundle is checked against, as it was at the request."""

    settings: ModelSection
    present: Manifest
    """The manifest of the model in use."""
    expected: frozenset[str]
    """The products that the WMS expects here."""
    refused: dict[str, str]
    """Bundles (SHA-256) that were refused before, and why."""


class BundleIntake:
    """One intake, in a thread of its own."""

    def __init__(
        self,
        request: UpdateRequest,
        staging: Path,
        criteria: AcceptanceCriteria,
        hand_over: Callable[[IntakeResult], None],
    ) -> None:
        """Start the thread; `hand_over` gets its progress and its result."""
        self._request = request
        self._staged = staging / f"{id(request):x}.bundle"
        self._criteria = criteria
        self._hand_over = hand_over
        self._stopping = threading.Event()
        threading.Thread(target=self._run, name="bundle", daemon=True).start()

    def stop(self) -> None:
        """Abandon it; results that it still hands over are to be ignored."""
        self._stopping.set()

    def _run(self) -> None:
        sha256 = ""
        try:
            sha256 = self._fetch_bytes()
            self._hand_over(IntakeProgress(self._request, "verifying"))
            self._hand_over(self._verified(sha256))
        except KardusError as error:
            self._refuse(str(error), sha256)
        except Exception as error:  # the thread's outermost guard: a bundle must never cost the agent more than itself
            log.exception("the intake of a bundle failed")
            self._refuse(f"{type(error).__name__}: {error}", sha256)

    def _fetch_bytes(self) -> str:
        from edge_agent.models.fetch import copy, fetch  # noqa: PLC0415 - an agent starts sooner without HTTP

        command, file = self._request.command, self._request.file
        if command is not None:
            self._refuse_known(command.sha256)
            self._hand_over(IntakeProgress(self._request, "fetching"))
            fetch(command, self._staged, self._criteria.settings.ca_file, self._stopping)
            return command.sha256
        if file is None:
            raise KardusError("neither an address nor a file is named")
        self._refuse_known(sha256_of(file))
        return copy(file, self._staged)

    def _refuse_known(self, sha256: str) -> None:
        reason = self._criteria.refused.get(sha256, "")
        if reason and not self._request.force:
            raise BundleError(f"this bundle was refused before ({reason}): bring another one, or force it")

    def _verified(self, sha256: str) -> VerifiedBundle:
        """Check everything that can be checked without a camera.

        Raises:
            BundleError: it can't be used, or mustn't be.
        """
        settings = self._criteria.settings
        bundle = self._parsed(Trust(settings.trust, settings.allow_unsigned))
        problem = self._unwanted(bundle.manifest)
        if problem:
            raise BundleError(f"{bundle.source}: {problem}")
        return VerifiedBundle(self._request, self._staged, sha256, bundle, golden_checked(bundle, settings))

    def _parsed(self, trust: Trust) -> Bundle:
        """Errors name the bundle by its address or file, as in the request."""
        command, file = self._request.command, self._request.file
        source = command.url if command else str(file)
        try:
            with self._staged.open("rb") as staged:
                return parse_bundle(staged, source, trust)
        except OSError as error:
            raise BundleError(f"{self._staged}: cannot be read ({error.strerror}): check the disk") from error

    def _unwanted(self, new: Manifest) -> str:
        present = self._criteria.present
        problem = not_as_requested(new, self._request.command) if self._request.command else ""
        if problem or self._request.force:
            return problem
        return downgrade_reason(new, present) or lost_products(new, present, self._criteria.expected)

    def _refuse(self, reason: str, sha256: str) -> None:
        with contextlib.suppress(OSError):
            self._staged.unlink(missing_ok=True)
        self._hand_over(RefusedBundle(self._request, reason, sha256))
