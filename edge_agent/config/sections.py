"""The tables of the configuration but the cameras'."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from edge_agent.config.base import Port, Seconds, Section
from kardus.contract.mqtt_text import NO_TEXT, MqttText
from kardus.contract.topics import Id
from kardus.inference.bundle import parse_public_key
from kardus.inference.providers import ON_CPU, Provider
from kardus.mqtt.settings import BrokerSettings
from kardus.mqtt.tls import TlsFiles
from kardus.support.settings_files import FilePath


class AgentSection(Section):
    """`[agent]`: who this is."""

    site: Id
    """The warehouse; part of every topic."""
    name: Id
    """This agent's own name at the site; part of its topics."""
    data_dir: FilePath
    """Where the outbox and the expected stock are kept."""


class ModelSection(Section):
    """`[model]`: which bundle, and whose signature is trusted."""

    bundle: FilePath
    """The `.bundle` file."""
    trust: tuple[str, ...] = ()
    """Public keys, `ed25519:...`."""
    allow_unsigned: bool = False
    """Accept a bundle that nobody signed. For trials only."""
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Processor threads for the model; 0 takes all."""
    providers: Annotated[tuple[Provider, ...], Field(min_length=1)] = ON_CPU
    """What onnxruntime runs it on, the preferred one first, the others its fall-backs: a name, or a table of these:"""
    watch_folder: FilePath | None = None
    """A bundle that appears in this folder is tried, and takes over if it is good; as one by `commands/model`."""
    ca_file: FilePath | None = None
    """Certificates (PEM) of the authority of the server that bundles are fetched from; none: the system's."""
    shadow_s: Annotated[float, Field(ge=0.1, le=604_800)] = 600.0
    """A new model answers beside the one in use for so long before it takes over, and the former one as long after."""
    max_loss: Annotated[float, Field(ge=0, le=1)] = 0.05
    """A model isn't kept that finds what is expected in so much less of the same crops than the other (share)."""

    @field_validator("trust")
    @classmethod
    def _are_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            parse_public_key(key)
        return keys


class MqttSection(Section):
    """`[mqtt]`: the broker."""

    host: str = "localhost"
    """The broker's host name or address."""
    port: Port = 1883
    """The broker's port."""
    version: Literal["auto", "5", "3.1.1"] = "auto"
    """`auto`: 5, and 3.1.1 where the broker has no 5."""
    username: MqttText | None = None
    """User name at the broker."""
    password_file: FilePath | None = None
    """A file that holds the password, readable by the agent only; without one, `KARDUS_MQTT_PASSWORD` is looked for."""
    tls: bool = False
    """Speak TLS, 1.2 or newer. The broker's certificate and name are always checked."""
    ca_file: FilePath | None = None
    """The authorities that may vouch for the broker (PEM); without one, those that the system trusts."""
    certificate_file: FilePath | None = None
    """The agent's own certificate (PEM), where the broker asks for one. A changed file is used without a restart."""
    key_file: FilePath | None = None
    """The certificate's private key (PEM), readable by the agent only."""
    crl_file: FilePath | None = None
    """The authority's list of revoked certificates (PEM): a broker whose certificate is in it is refused."""
    keepalive_s: Annotated[int, Field(ge=2, le=3600)] = 20
    """A broker that says nothing for one and a half times this long is taken to be gone."""

    @model_validator(mode="after")
    def _whole(self) -> "MqttSection":
        named = [key for key in ("ca_file", "certificate_file", "key_file", "crl_file") if getattr(self, key)]
        if named and not self.tls:
            raise ValueError(f"{named[0]} needs tls = true: add it, or nothing would be encrypted")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: name both")
        return self

    @property
    def broker(self) -> BrokerSettings:
        """What the MQTT client is made with."""
        files = TlsFiles(self.ca_file, self.certificate_file, self.key_file, self.crl_file) if self.tls else None
        return BrokerSettings(
            host=self.host,
            port=self.port,
            username=self.username,
            password_file=self.password_file,
            tls=files,
            version=self.version,
            keepalive_s=self.keepalive_s,
            prefix="mqtt.",
        )


class OutboxSection(Section):
    """`[outbox]`: what was decided and isn't delivered yet, in `data_dir`."""

    delivery: Literal["broker", "confirmed"] = "broker"
    """`broker`: an event is forgotten when the broker has it; `confirmed`: when the WMS side says that it is stored."""
    max_events: Annotated[int, Field(ge=100, le=100_000_000)] = 200_000
    """So many events wait at most; then the oldest go that are no open alerts, and are announced as lost."""
    max_evidence_mb: Annotated[float, Field(ge=0.1, le=1_000_000)] = 50.0
    """So many megabytes of pictures wait at most; the oldest go."""


class VerdictSection(Section):
    """`[verdict]`: when a location is judged."""

    votes: Annotated[int, Field(ge=1, le=100)] = 3
    """A verdict stands when this many ..."""
    window: Annotated[int, Field(ge=1, le=100)] = 5
    """... of the last so many pictures agree."""
    match_likelihood: Annotated[float, Field(gt=0, le=1)] = 0.6
    """The expected product's likelihood from which it is a match."""
    mismatch_likelihood: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """The expected product's likelihood up to which it can be a mismatch; in between it is uncertain."""
    min_confidence: Annotated[float, Field(gt=0, le=1)] = 0.75
    """How sure the model must be of what it sees instead."""
    hysteresis: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """A standing match holds until the expected product's likelihood falls so far below `match_likelihood`."""
    grace_s: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """After the WMS expects another product than before, nothing is an alert for so long: stock may be on its way."""
    valid_for_s: Seconds = 300.0
    """A published state is void after this long unless it is renewed."""

    @model_validator(mode="after")
    def _in_order(self) -> "VerdictSection":
        if self.votes > self.window:
            raise ValueError(f"votes = {self.votes} can never be reached in a window of {self.window}")
        if 2 * self.votes <= self.window:
            raise ValueError(f"votes = {self.votes} must be more than half of window = {self.window}, or two could win")
        if self.mismatch_likelihood >= min(self.match_likelihood - self.hysteresis, self.min_confidence):
            raise ValueError("mismatch_likelihood must be below match_likelihood - hysteresis and min_confidence")
        return self


class ViewSection(Section):
    """`[view]`: when a camera's picture can be trusted."""

    dark_below: Annotated[float, Field(ge=0, le=255)] = 16.0
    """Mean brightness (0 to 255) below which a picture is too dark."""
    over_exposed_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of pure white from which a picture is over-exposed."""
    sharpness: Annotated[float, Field(ge=0, lt=1)] = 0.35
    """Share of the reference's sharpness below which a picture is blurred."""
    recognised: Annotated[float, Field(gt=0, lt=1)] = 0.4
    """Share of the reference's marks that must be found again; below, the camera is covered, or moved far."""
    max_shift: Annotated[float, Field(ge=0, le=0.2)] = 0.02
    """A shift up to this share of the picture's width is corrected; from there on the camera has been moved."""
    frozen_after_s: Annotated[float, Field(ge=1, le=50)] = 30.0
    """A live camera whose picture hasn't changed by a single value for so long is frozen."""
    max_cast: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Share by which a colour channel may differ from what it was, against the others: up to there it is corrected,
    beyond it the camera's white balance has changed."""
    colour_left: Annotated[float, Field(ge=0, lt=1)] = 0.35
    """Share of the rack's colours that must be left; below, the camera shows no colour (night mode)."""
    doubt_s: Annotated[float, Field(ge=0, le=600)] = 24.0
    """Where half of a camera's locations, and four or more, turn to an alert within `gate.refresh_s`, they are
    `uncertain` for so long, and looked at again before it is told. 0: told at once."""


class GateSection(Section):
    """`[gate]`: when a location is classified."""

    change: Annotated[float, Field(gt=0, le=255)] = 12.0
    """Brightness levels (0 to 255), in some part of the location and beyond what light explains, that are a change."""
    refresh_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """A location at rest is classified again after so long; 0.001 classifies it in every picture."""
    obstructed_after: Annotated[int, Field(ge=1, le=1000)] = 3
    """A location that is covered, or doesn't come to rest, is obstructed from so many pictures in a row on."""


class CodesSection(Section):
    """`[codes]`: printed codes in the pictures, read beside everything else."""

    rack_check_s: Annotated[float, Field(ge=0, le=604_800)] = 3600.0
    """How often the labels of a rack are read: where they say that the camera looks at another one, its locations are
    `stale`. First a minute after the start; 0: never."""
    cartons: bool = True
    """Read a carton's bar code once when it is put there: a GTIN of the class table settles a doubt of the model, or
    contradicts it, which is `uncertain`. Nothing is read where the bundle's classes have no GTIN."""
    least_side_px: Annotated[int, Field(ge=16, le=16_384)] = 100
    """The shorter side, in pixels, from which a location is large enough for that."""


class EvidenceSection(Section):
    """`[evidence]`: pictures of what isn't as expected, kept in `data_dir`."""

    max_mb: Annotated[float, Field(ge=0, le=1_000_000)] = 200.0
    """How many megabytes are kept; the oldest go first. 0 keeps no new ones: what there is goes by its age."""
    max_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    """How long they are kept."""
    publish: bool = True
    """Publish the crop with its event; the whole frame is given on request (`commands/evidence`)."""


class RecordingSection(Section):
    """`[recording]`: what the agent looks at, kept in `data_dir` to be replayed (`kardus-agent replay`)."""

    max_mb: Annotated[float, Field(ge=0, le=10_000_000)] = 0.0
    """How many megabytes are kept; the oldest go first. 0 records nothing, and what there is goes by its age."""
    max_days: Annotated[float, Field(gt=0, le=3650)] = 7.0
    """How long they are kept."""
    interval_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """Seconds, at least, from one kept picture of a camera to the next; 0 keeps all that the agent looks at. Votes
    count pictures: a replay of fewer of them decides later than the agent did."""
    cameras: tuple[Id, ...] = ()
    """Which cameras; by default all."""


class HarvestSection(Section):
    """`[harvest]`: photos for training, with what the WMS expects as their proposed label, kept in `data_dir`."""

    sample: bool = False
    """Keep a sample of all locations, not only what is doubtful. With it, `[model]` may be left out."""
    interval_s: Annotated[float, Field(gt=0, le=604_800)] = 3600.0
    """A location whose stock stays the same is sampled again after so long; new stock always is."""
    settle_s: Annotated[float, Field(ge=0, le=86_400)] = 120.0
    """A location is sampled once its stock and its expectation have stayed the same for so long: the WMS may lag."""
    max_mb: Annotated[float, Field(ge=0, le=1_000_000)] = 500.0
    """How many megabytes are kept; the oldest of the locations that hold most go first. 0 keeps no new ones."""
    max_days: Annotated[float, Field(gt=0, le=3650)] = 90.0
    """How long they are kept."""

    @model_validator(mode="after")
    def _keeps_what_it_samples(self) -> "HarvestSection":
        if self.sample and not self.max_mb:
            raise ValueError("sample = true with max_mb = 0 keeps nothing: allow some megabytes")
        return self


class HealthSection(Section):
    """`[health]`: the local page for probes and metrics, and the log."""

    host: str = "127.0.0.1"
    """The address to listen on; the page has no password."""
    port: Port | None = None
    """Answers /healthz, /readyz and /metrics (Prometheus) here; without one, nothing listens."""
    log: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object a line."""


class HomeAssistantSection(Section):
    """`[homeassistant]`: let locations and cameras appear in Home Assistant by themselves."""

    discovery: bool = False
    """Publish the agent's discovery document."""
    prefix: Annotated[str, Field(pattern=rf"^[^+#\s{NO_TEXT}]{{1,100}}$")] = "homeassistant"
    """Home Assistant's discovery prefix."""
