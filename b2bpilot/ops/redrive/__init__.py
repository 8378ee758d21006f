"""Redrive: send dead letters again, in stages, at a pace, and prove by the rows what became of them."""
