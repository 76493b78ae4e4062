"""The networks of the quick and of the article's study written anew for other libraries, to be timed against ours."""
