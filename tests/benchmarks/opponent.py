"""What an engineer would write in an afternoon: crop, classify, publish, and hope.

The benchmarks' opponent. It has no durability (what the broker doesn't get is gone), no gate (a rack at rest costs as
much as a busy one), no guard (a covered lens is classified too), no calibration, and no expected stock.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from PIL import Image

Box = tuple[int, int, int, int]


class AfternoonScript:
    """Looks at the boxes of a picture file, one after another."""

    def __init__(self, model: bytes, boxes: Mapping[str, Box], port: int, threads: int) -> None:
        """Load the model and connect; boxes are left, top, right, bottom."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.size = self.session.get_inputs()[0].shape[1]
        self.boxes = boxes
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def look(self, picture: Path) -> None:
        """Read the picture, classify what is in every box, publish it, and wait until the broker has it."""
        frame = Image.open(picture).convert("RGB")
        for location, box in self.boxes.items():
            crop = np.asarray(frame.crop(box).resize((self.size, self.size)))[None]
            logits = self.session.run(["logits"], {"crops": crop})[0][0]
            likelihoods = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
            found = {"class": int(logits.argmax()), "confidence": float(likelihoods.max()), "time": time.time()}
            message = self.client.publish(f"shelf/{location}", json.dumps(found), qos=1, retain=True)
            message.wait_for_publish()

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()
