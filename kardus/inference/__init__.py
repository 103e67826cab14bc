"""From a crop to a classification: the bundle, preprocessing, onnxruntime, products enrolled since training."""
