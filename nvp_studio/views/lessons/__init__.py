"""Lessons: a series of short steps beside the live pages, each with one thing to do."""
