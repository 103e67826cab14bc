"""The page of the roll-out: which agent runs which model; a signed bundle is offered to some, then to all, and back."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse, RedirectResponse

from kardus.contract.model_status import Phase
from kardus.support.whole_numbers import whole_number
from warehouse.console.agents.bundles import Bundles, OfferedBundle
from warehouse.console.agents.rollouts import NO_ANSWER, OFFLINE, AgentModel, agent_models, offer
from warehouse.console.context import Served, client_address, entry_of, slow_down
from warehouse.console.identity.roles import Role
from warehouse.console.pages.access import FormFields, SupervisorVisit, ViewerVisit
from warehouse.console.pages.list_parts import MAX_PART, PartNumber, part_of, written
from warehouse.console.pages.menu_entry import MenuEntry
from warehouse.console.pages.rendering import HEADERS, fragment, page, translator
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError

router = APIRouter()
MENU_ENTRY = MenuEntry("/models", N_("Models"), Role.VIEWER, 65)
PHASES: dict[Phase, str] = {
    "settled": N_("in use"),
    "fetching": N_("another one is being fetched"),
    "verifying": N_("another one is being checked"),
    "shadowing": N_("another one runs beside it, on trial"),
    "probation": N_("new in use, on trial"),
    "refused": N_("another one was refused"),
    "rolled-back": N_("another one was taken back"),
}
UNANSWERED = {NO_ANSWER: N_("no answer yet"), OFFLINE: N_("offline: it wasn't asked")}
AGENT_FIELD_PREFIX = "agent:"
"""Before an agent's name, in the form."""
BACK = "back:"
"""Before an agent's name: its own button."""
LINE_BYTES, COMPARISON_BYTES, OFFER_BYTES = 420, 200, 200
"""Of an agent, of the comparison of two models, of an offer, about, without names."""
UNREADABLE = N_("The form can't be read: load the page again.")


@router.get("/models", response_class=Response)
def show(request: Request, console: Served, __: ViewerVisit, number: PartNumber = 1) -> Response:
    """Which agent has which model, and what can be offered."""
    _ = translator(request)
    bundles: Bundles = request.app.state.page.bundles
    with console.reading() as connection:
        agents = agent_models(connection)
    count = Counter(one.title for one in agents if one.title)
    shown = part_of(agents, number, _bytes_of)
    words: dict[str, Any] = {"agents": shown, "count": count.most_common(), "phases": PHASES, "unanswered": UNANSWERED}
    words |= {"bundles": bundles.every(), "is_offering": bundles.is_there}
    words |= {"kept": {one.sha256 for one in words["bundles"] if one.sha256}}
    if "hx-request" in request.headers:
        return fragment(request, "models_part.html.jinja", **words)
    return page(request, "models.html.jinja", title=_("Models"), **words)


@router.post("/models", response_class=Response)
def offer_or_go_back(request: Request, console: Served, visit: SupervisorVisit, form: FormFields) -> Response:
    """Offer a bundle to the chosen agents, or to all that are online (`all`); or go back (`back`)."""
    if console.asking is None:
        raise ProblemError(503, N_("The server has no broker: nothing can be asked of agents."))
    bundles: Bundles = request.app.state.page.bundles
    with console.reading() as connection:
        agents = agent_models(connection)
    do = "back" if any(name.startswith(BACK) for name in form) else form.get("do", "")
    chosen = _chosen(agents, form, do)
    match do:
        case "offer" | "all":
            bundle = _offered(bundles, form.get("bundle", ""))
            wanted = [(agent, bundle, bundles.command(bundle)) for agent in chosen if agent.sha256 != bundle.sha256]
        case "back":
            former = [(one, bundles.find(one.back.former_sha256)) for one in chosen if one.back]
            wanted = [(agent, found, bundles.command(found, force=True)) for agent, found in former if found]
        case _:
            raise ProblemError(422, UNREADABLE)
    if not wanted:
        raise ProblemError(409, N_("None of these can get that: choose agents that are online and run another model."))
    for agent, bundle, _ in wanted:
        action = "model-back" if do == "back" else "offer-model"
        told = entry_of(request, visit.principal, action, agent.agent, f"{agent.title} to {bundle.title}"[:500])
        console.audit.note(told)
    offer(console.database, console.asking, visit.person.name, wanted)
    part = whole_number(form.get("part", ""), MAX_PART)
    return RedirectResponse(f"/models?part={part}" if part else "/models", 303, HEADERS)


@router.get("/bundles/{sha256}", response_class=Response)
def bundle_file(request: Request, console: Served, sha256: str) -> Response:
    """A bundle's file, for agents: they were told its SHA-256, which nobody guesses."""
    found = _find(request, sha256)
    if found is None or found.problem:
        slow_down(console.wrong, client_address(request))
        raise ProblemError(404, N_("There is nothing at this address."))
    return FileResponse(found.path, media_type="application/octet-stream", headers=HEADERS)


def _bytes_of(one: AgentModel) -> int:
    """About how long an agent's line is as HTML."""
    status, name = one.status, written(one.agent)
    told = written(status.reason) if status else 0
    compared = COMPARISON_BYTES if status and status.comparison else 0
    offers = sum(
        OFFER_BYTES + written(each.title, each.former_title, each.answer) for each in (one.offer, one.back) if each
    )
    return LINE_BYTES + 4 * name + 2 * written(one.title) + told + compared + offers


def _find(request: Request, sha256: str) -> OfferedBundle | None:
    bundles: Bundles = request.app.state.page.bundles
    return bundles.find(sha256)


def _chosen(agents: Sequence[AgentModel], form: dict[str, str], do: str) -> list[AgentModel]:
    """Who is meant, of those that can be asked; an agent's own button means it alone."""
    alone = {name.removeprefix(BACK) for name in form if name.startswith(BACK)}
    names = alone or {name.removeprefix(AGENT_FIELD_PREFIX) for name in form if name.startswith(AGENT_FIELD_PREFIX)}
    return [one for one in agents if one.is_online and (do == "all" or one.agent in names)]


def _offered(bundles: Bundles, sha256: str) -> OfferedBundle:
    found = bundles.find(sha256)
    if found is None or found.problem:
        raise ProblemError(422, N_("This bundle can't be offered: choose one that is signed, from the list."))
    return found
