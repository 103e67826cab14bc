"""The example configurations, with every file where they say."""

import re
import shutil
from pathlib import Path

from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import grey_frame
from tests.deploy.site import SETTINGS, Site
from warehouse.authority.roles import CertificateRole

EXAMPLES = SETTINGS.parents[1] / "examples"
PLACEHOLDER = re.compile(r'"ed25519:[^"]+"\]  # from: kardus-export keys make')
"""A key that every site makes for itself, as the example says; any other key has to be the right one."""


def laid_out(example: Path, folder: Path, site: Site) -> Path:
    """An example with every file where it says, in `folder` in place of the machine's root."""
    identity = site.files(CertificateRole.DEVICE, "aisle-a")
    assert identity.ca_file
    assert identity.certificate_file
    assert identity.key_file
    places: dict[str, Path] = {"cartons.bundle": DEMO_BUNDLE, "demo.bundle": DEMO_BUNDLE, "ca.crt": identity.ca_file}
    for suffix, source in ((".crt", identity.certificate_file), (".key", identity.key_file)):
        places |= {f"mqtt{suffix}": source, f"rack-agent{suffix}": source}
    text = PLACEHOLDER.sub(f'"{DEMO_KEY.read_text().strip()}"]', example.read_text())
    for path in re.findall(r'"(/(?:etc|certificates)/[^"]+|\$CREDENTIALS_DIRECTORY/[^"]+)"', text):
        place = folder / path.replace("$CREDENTIALS_DIRECTORY", "credentials").lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix == ".png":
            grey_frame(place)
        elif place.name == "camera":
            place.write_text("a password")
            place.chmod(0o600)
        else:
            shutil.copy(places[place.name], place)
    there = folder / example.name
    for root in ("/etc/", "/certificates/", "/var/lib/kardus"):
        text = text.replace(f'"{root}', f'"{folder}{root}')
    there.write_text(text)
    return there
