"""EPCIS 2.0 (GS1, ISO/IEC 19987): what the cameras observe, in the words that trading partners read."""
