"""What the window knows, free of widgets: engine, settings, explore, run, runs, scores."""
