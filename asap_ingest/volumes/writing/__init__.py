"""From planes to chunks: the plan, the jobs of workers, the rest of an earlier run."""
