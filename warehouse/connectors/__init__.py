"""What is stored, given to other systems in their own words."""
