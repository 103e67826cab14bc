"""`kardus-wms`: its sub-commands by name."""

from kardus.support.console import new_app
from warehouse.authority.cli import app as authority_app
from warehouse.cli.api_commands import app as tokens_app
from warehouse.cli.api_commands import serve_command
from warehouse.cli.delivery_commands import deliver_command
from warehouse.cli.event_commands import forget_command, receive_command
from warehouse.cli.label_commands import app as labels_app
from warehouse.cli.report_commands import export_command, report_command, watch_command
from warehouse.cli.stock_commands import expect_command, sync_command
from warehouse.cli.user_commands import app as users_app
from warehouse.store.cli import app as database_app

app = new_app("The warehouse side: say what is expected, see what stands there.")
app.command("expect")(expect_command)
app.command("sync")(sync_command)
app.command("deliver")(deliver_command)
app.command("watch")(watch_command)
app.command("receive")(receive_command)
app.command("forget")(forget_command)
app.command("report")(report_command)
app.command("export")(export_command)
app.command("serve")(serve_command)
app.add_typer(authority_app, name="authority")
app.add_typer(database_app, name="database")
app.add_typer(labels_app, name="labels")
app.add_typer(tokens_app, name="tokens")
app.add_typer(users_app, name="users")
