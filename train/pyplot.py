"""matplotlib's pyplot, which reads and leaves nothing in the user's home: neither settings nor its list of fonts.

Where `MPLCONFIGDIR` names a folder, that one is used.
"""

import os
import tempfile

with tempfile.TemporaryDirectory(prefix="kardus-") as _folder:
    _is_given = "MPLCONFIGDIR" in os.environ
    os.environ.setdefault("MPLCONFIGDIR", _folder)
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    if not _is_given:
        del os.environ["MPLCONFIGDIR"]

__all__ = ["plt"]
