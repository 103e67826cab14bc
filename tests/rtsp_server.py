"""An RTSP camera for the tests: GStreamer's server, run by Debian's own Python, which has its bindings.

python3 rtsp_server.py PORT CODEC USER PASSWORD CHAIN (see `launch`); prints "ready" once it listens. The picture is the
colour bars, which stand still as a rack does, with a corner of noise; user and password (digest) are asked for unless
USER is empty; CHAIN is a PEM file of certificate and key, for RTSP over TLS, or empty.
"""

import sys

import gi

gi.require_version("Gio", "2.0")
gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - after the versions were asked for

ENCODERS = {
    "h264": "x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay0",
    "h264-often": "x264enc tune=zerolatency key-int-max=5 ! rtph264pay name=pay0",
    "h265": "x265enc tune=zerolatency key-int-max=10 ! rtph265pay name=pay0",
    "jpeg": "video/x-raw,format=I420 ! jpegenc ! rtpjpegpay name=pay0",
}
SHOWN = "video/x-raw,width=320,height=240,framerate=10/1 ! videoconvert ! "
PICTURE = f"videotestsrc is-live=true pattern=smpte ! {SHOWN}"


def main(port: str, codec: str, user: str, password: str, chain: str) -> None:
    """Serve until killed."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {launch(codec)} )")
    factory.set_shared(True)
    auth = GstRtspServer.RTSPAuth()
    if user:
        _ask_for(auth, factory, user, password)
    if chain:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(chain))
        if not user:
            _let_anyone(auth, factory)
    if user or chain:
        server.set_auth(auth)
    server.get_mount_points().add_factory("/shelf", factory)
    if not server.attach(None):
        sys.exit(f"port {port} can't be listened on")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


def launch(codec: str) -> str:
    """What is sent: a picture that is encoded, or a Matroska file in its own time, `h264:PATH` or `h265:PATH`."""
    kind, _, path = codec.partition(":")
    if not path:
        return f"{PICTURE}{ENCODERS[codec]}"
    whole = f"video/x-{kind},stream-format=byte-stream,alignment=au"
    return (
        f"filesrc location={path} ! matroskademux ! {kind}parse ! {whole} ! rtp{kind}pay name=pay0 config-interval=-1"
    )


def _ask_for(auth: GstRtspServer.RTSPAuth, factory: GstRtspServer.RTSPMediaFactory, user: str, password: str) -> None:
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, _token(factory))


def _let_anyone(auth: GstRtspServer.RTSPAuth, factory: GstRtspServer.RTSPMediaFactory) -> None:
    auth.set_default_token(_token(factory))


def _token(factory: GstRtspServer.RTSPMediaFactory) -> GstRtspServer.RTSPToken:
    """What lets its holder look."""
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    allowed = "media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    factory.add_role_from_structure(Gst.Structure.new_from_string(f"viewer, {allowed};"))
    return token


if __name__ == "__main__":
    main(*sys.argv[1:])
