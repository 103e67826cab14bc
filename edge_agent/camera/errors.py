"""What goes wrong with a source: the text is the reason that is shown in place of a picture.

CameraError                 why there is no picture
├── NoAnswerError           the camera has given no answer of use
├── PictureTooLargeError    a picture doesn't end
├── StreamEndedError        nothing more will come
└── DecoderError            the decoding process gave no picture
"""

from kardus.support.errors import KardusError


class CameraError(KardusError):
    """Why there is no picture."""


class NoAnswerError(CameraError):
    """The camera has given no answer of use."""


class PictureTooLargeError(CameraError):
    """A picture doesn't end."""


class StreamEndedError(CameraError):
    """Nothing more will come."""


class DecoderError(CameraError):
    """The decoding process gave no picture."""
