"""Networks: torchvision backbones, the RMCSAM attention module, and the head that makes them a carton classifier."""

from train.networks.carton import CartonNet
from train.networks.rmcsam import RMCSAM

__all__ = ["RMCSAM", "CartonNet"]
