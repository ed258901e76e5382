"""What both servers share: which pages and hosts they answer, tokens, limits of connections."""
