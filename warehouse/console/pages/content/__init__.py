"""What the pages show, found in the store or asked of agents, and kept where finding it takes long."""
