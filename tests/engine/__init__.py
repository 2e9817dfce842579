"""The suite every real engine passes: what is planned is what is freed, and nothing else goes."""
