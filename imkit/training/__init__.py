"""How nano is trained: language, voices, scenes, losses, loop. Recipes live in ``models/``."""
