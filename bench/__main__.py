"""`make bench`."""

from bench import pipeline

if __name__ == "__main__":
    pipeline.main()
