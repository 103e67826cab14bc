"""What a photo is shown as while the network learns: label-safe looks, copies, things to be doubted."""
