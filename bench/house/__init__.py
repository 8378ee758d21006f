"""The shape of the code, measured with nothing but its text: how many concepts, how long the functions, who imports whom."""
