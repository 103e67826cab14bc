"""What is stored goes out to where people and partners work: in order for each location, at least once."""
