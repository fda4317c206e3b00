"""From domains to the rows of a plan, and the pollers that read them."""
