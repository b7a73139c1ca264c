"""How many replicas, of what size, at what price: the arithmetic, and a simulation that knows none of its formulas."""
