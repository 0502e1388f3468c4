"""Mutation testing: would the tests notice if a line were wrong?"""
