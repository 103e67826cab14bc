"""Networks: torchvision backbones, the RMCSAM attention module, and the head that makes them a carton classifier."""
