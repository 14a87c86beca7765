"""A Space on ZeroGPU: telling its platform that the application is there.

ZeroGPU lends a GPU to functions of torch for a minute at a time; onnxruntime can't use that, so
the model runs on the CPU. But the platform stops a Space that names no such function, and learns
of it when Gradio's own server is launched, which Palaver never does.
"""

import logging
from importlib import import_module

from chat.errors import SetupError

log = logging.getLogger(__name__)


def announce() -> None:
    """Name one function for the GPU, which is never called, and report that start-up is over.

    Call it on ZeroGPU alone, after the application is built and before it is served.

    Raises:
        SetupError: the package `spaces` is missing, or another one than is known here.
    """
    try:
        # Only there on ZeroGPU, and installed by it.
        spaces = import_module("spaces")
        spaces.GPU(borrow_nothing)
        import_module("spaces.zero").startup()
    except (ImportError, AttributeError) as error:
        raise SetupError(
            "This Space runs on ZeroGPU, whose package 'spaces' can't be used here "
            f"({error}); choose the hardware 'cpu-basic' in the Space's settings."
        ) from error
    except RuntimeError as error:
        # The platform decides whether to go on; the chat itself needs nothing of it.
        log.warning("ZeroGPU didn't take the report of the start (%s)", error)
    log.info("On ZeroGPU the model runs on the CPU: onnxruntime can't borrow that GPU")


def borrow_nothing() -> None:
    """Need no GPU: ZeroGPU wants one function that might."""
