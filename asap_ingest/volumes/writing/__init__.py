"""From planes to chunks: the plan, the units that workers do, what is left to do."""
