"""The page that people look at: HTML from the server, htmx and server-sent events; nothing is fetched from elsewhere.

To add a page:

1. Write `pages/NAME.py` with a `router = APIRouter()`. Each route names the role that it needs (`ViewerVisit`,
   `OperatorVisit`, `SupervisorVisit`, `AdministratorVisit` of access.py), which lets the person
   in, checks the form's token where something is changed, and is what the tests' table of roles is made from:

       @router.get("/things", response_class=Response)
       def show(request: Request, console: Served, visit: ViewerVisit) -> Response:
           return page(request, "things.html.jinja", title=_("Things"), things=...)

   `page` (rendering.py) renders a template with the layout around it; `fragment` without (for htmx and server-sent
   events). What a form sent is `Form` (access.py): texts by name. Programs of the page send JSON with the header
   `X-CSRF-Token`, which `kardus.send(method, path, body)` of static/kardus.js does.
2. Where it is to stand in the navigation, give the file a `MENU_ENTRY = MenuEntry(path, N_("Words"), role, order)`
   (menu_entry.py).
3. Add the module to `PAGE_MODULES` in menu.py.
4. Templates stand in `templates/`, begin with `{% extends "layout.html.jinja" %}` and fill the block `content` (`head`
   takes further scripts: `<script src="{{ static('NAME.js') }}" defer></script>`). No inline scripts, no `style=`
   attributes: the content policy lets the browser run neither. Scripts and styles stand in `static/`, and are served
   by their names.
5. Every text is wanted in all languages: `{{ _("...") }}` and `{% trans %}` in templates; in Python `N_("...")` where
   it is written; or `_ = text_of(request)`, and `_("...")`. `python -m tests.scripts.page_texts` then brings
   the catalogs in `warehouse/console/locale` up to date; fill what is empty: a test fails else.
6. Numbers, moments, ages: `{{ local.number(n) }}`, `{{ local.moment(m) }}`, `{{ local.age(m) }}`,
   `{{ local.percent(x) }}`; verdicts and ages that go on by the macros of `parts.html.jinja`.
7. What goes wrong: `raise ProblemError(409, N_("..."))`: the browser gets a page, htmx a text, both translated.
"""
