"""The editor that `dlq edit` is given: it corrects the fault of the poisoned test messages."""

import json
import sys
from pathlib import Path

path = Path(sys.argv[1])
message = json.loads(path.read_text(encoding="utf-8"))
message["params"]["NumMedia"] = "0"
path.write_text(json.dumps(message, indent=2) + "\n", encoding="utf-8")
