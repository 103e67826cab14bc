"""The build time of a bundle. Imports no torch: products are enrolled and retired without it."""

import os
from datetime import UTC, datetime

from kardus.support.errors import UsageError


def build_time() -> datetime:
    """Now, or the time that SOURCE_DATE_EPOCH gives (https://reproducible-builds.org), in whole seconds of UTC.

    The time is an input, so that builds are reproducible byte for byte.

    Raises:
        UsageError: the variable isn't a time.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.fromtimestamp(int(given), UTC) if given else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"SOURCE_DATE_EPOCH = '{given}': not a time: set it to seconds since 1970") from error
    return moment.replace(microsecond=0)
