"""What all servers share: the policy for pages and hosts, tokens, limits of connections."""
