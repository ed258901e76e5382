"""What all commands share: parameters, spellings, help, workers, output and exit codes."""
