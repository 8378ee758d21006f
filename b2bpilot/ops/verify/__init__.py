"""Whether an environment is deployed right and healthy: a check is data, the runner yields results, views render them."""
