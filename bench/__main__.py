"""`make bench`: the figures of the README and of docs/. How the code is built is measured by `make house` (bench/house)."""

from bench import hostile_input, migrate_live_table, once, pipeline, publish, redrive, start

if __name__ == "__main__":
    start.main()
    pipeline.main()
    redrive.main()
    publish.main()
    once.main()
    migrate_live_table.main()
    hostile_input.main()
