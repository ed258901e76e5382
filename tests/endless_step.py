"""A step that opens its stack for writing and never ends: it is there to be terminated."""

import sys
import time

from asap_ingest.commands.render_step import RenderStep
from asap_ingest.schemas import AddMipMapsToStackParameters


class EndlessStep(RenderStep):
    default_schema = AddMipMapsToStackParameters

    def run(self) -> int:
        stack = self.stack(self.args["input_stack"])
        with stack.writing({}, close_stack=False):
            sys.stdout.write(f"{stack.state()}\n")
            sys.stdout.flush()
            time.sleep(600)
        return 0


if __name__ == "__main__":
    sys.exit(EndlessStep.main())
