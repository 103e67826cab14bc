"""The warehouse side: publishes expected stock, watches what the agents say. Runs beside the WMS."""
