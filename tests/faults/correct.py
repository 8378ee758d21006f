"""What a person does in an editor: correct the number of attachments. `python correct.py FILE`, as $EDITOR is called."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(file.read_text().replace('"two"', '"0"'))
