"""Expected stock that follows the WMS: read from it again and again, and what has changed is published."""
