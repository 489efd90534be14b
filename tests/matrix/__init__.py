"""Real clients × real servers, directly and through a front: which cells does the front break?"""
