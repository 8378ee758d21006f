"""The boto3 seams: each module is one service of AWS as the pipeline uses it, with its errors translated."""
