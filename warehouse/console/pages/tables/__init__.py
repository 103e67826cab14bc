"""Lists as table files, .csv and .xlsx."""
