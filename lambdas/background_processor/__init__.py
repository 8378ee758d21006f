"""Before the handler is imported: libraries of another processor would be told of in lines that name neither."""

from b2bpilot.pipeline.architecture import require_libraries

require_libraries()
