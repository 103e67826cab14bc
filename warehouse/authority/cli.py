"""`kardus-wms authority`: a private authority for certificates.

Cryptography is loaded by the commands, so that others start sooner.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kardus.support.console import err, new_app, out, print_result, table_of
from warehouse.authority.roles import AUTHORITY_DAYS, DAYS, CertificateRole

if TYPE_CHECKING:
    from warehouse.authority.register import Authority

app = new_app("Make, renew and revoke certificates for broker, WMS side and devices. The folder is secret: back it up.")
FolderArgument = Annotated[Path, typer.Argument(help="The authority's folder.")]
NameArgument = Annotated[str, typer.Argument(help="Its name; a device's is agent.name in its configuration.")]
DaysOption = Annotated[float, typer.Option(min=0.01, max=3650, help="How long it is good for.")]


@app.command("init")
def init_command(
    folder: Annotated[Path, typer.Argument(help="The new folder.")],
    site: Annotated[str, typer.Option(help="The site, as in the agents' configuration.")],
    days: Annotated[float, typer.Option(min=1, max=36500, help="How long it is good for.")] = AUTHORITY_DAYS,
) -> None:
    """Make an authority for one site: ca.crt goes to everybody, ca.key to nobody."""
    from warehouse.authority.register import create_authority  # noqa: PLC0415 - see the module

    create_authority(folder, site, days)
    out.print(
        f"{folder}: authority of site {site}; keep ca.key secret, give ca.crt and crl.pem to everybody", soft_wrap=True
    )


@app.command("issue")
def issue_command(
    folder: FolderArgument,
    role: Annotated[CertificateRole, typer.Argument(help="What it is for.")],
    name: NameArgument,
    host: Annotated[
        list[str] | None, typer.Option(help="A server's name or address, as clients write it; may be given again.")
    ] = None,
    days: DaysOption = DAYS,
) -> None:
    """Make a key and a certificate, and write the broker's access list anew."""
    authority = _open(folder)
    path = authority.issue(role, name, host or (), days)
    out.print(f"{path} and {path.with_suffix('.key')}: install both (docs/deployment.md)", soft_wrap=True)
    _warn_of_its_end(authority, days)


@app.command("renew")
def renew_command(
    folder: FolderArgument,
    name: Annotated[str | None, typer.Argument(help="Whose; without it, all that expire soon.")] = None,
    within: Annotated[
        float, typer.Option(min=0, max=36_500, help="Without a name: those that end within so many days.")
    ] = 60,
    days: DaysOption = DAYS,
) -> None:
    """Make new keys and certificates in place of those that end. The old ones stay good until then."""
    authority = _open(folder)
    names = [name] if name else authority.expiring(within)
    for each in names:
        out.print(f"{authority.renew(each, days)}: renewed, install it with its key", soft_wrap=True)
    if not names:
        out.print(f"nothing ends within {within:g} days that can be renewed", soft_wrap=True)
    _warn_of_its_end(authority, days)


@app.command("revoke")
def revoke_command(folder: FolderArgument, name: Annotated[str, typer.Argument(help="Whose.")]) -> None:
    """Revoke a name's certificates. It counts once crl.pem and acl are on the broker, and the broker is restarted."""
    count = _open(folder).revoke(name)
    out.print(
        f"{name}: {count} revoked; install {folder / 'crl.pem'} and {folder / 'acl'}, restart the broker",
        soft_wrap=True,
    )


@app.command("list")
def list_command(
    folder: FolderArgument, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show every certificate: for whom, until when, revoked or not."""
    authority = _open(folder)
    entries = authority.issued
    rows = (
        (entry.role, entry.name, f"{entry.expires:%Y-%m-%d}", f"{entry.revoked:%Y-%m-%d}" if entry.revoked else "")
        for entry in entries
    )
    table = table_of(("role", "name", "good until", "revoked"), rows)
    end = f"The authority itself ends on {authority.ends:%Y-%m-%d}."
    print_result([entry.model_dump(mode="json", exclude={"serial"}) for entry in entries], table, end, as_json=as_json)


def _warn_of_its_end(authority: "Authority", days: float) -> None:
    """Tell who asks for certificates that the authority, and so they, end sooner."""
    if authority.ends < datetime.now(UTC) + timedelta(days=days):
        err.print(
            f"note: the authority ends on {authority.ends:%Y-%m-%d}, and so does all that it signs: make a new one "
            "before (docs/deployment.md)",
            soft_wrap=True,
            highlight=False,
        )


def _open(folder: Path) -> "Authority":
    from warehouse.authority.register import Authority  # noqa: PLC0415 - see the module

    return Authority(folder)
