"""JSON, numbers and names as render-ws has them: pure, nothing is read or stored here."""
