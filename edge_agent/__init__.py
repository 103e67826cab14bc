"""The agent: runs beside the cameras, compares what they see with what the WMS expects, and tells the WMS."""
