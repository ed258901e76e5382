"""HTTP: operations, queries, calls, answers, and the layers around them."""
