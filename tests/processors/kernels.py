# SPDX-License-Identifier: MIT
"""The device package on CPython with its native functions on an emulated processor.

    with Kernels("rv32imc") as kernels:
        kernels.use("_limbs")           # then "_field", then "plain"
        signatures.verify(...)

For a process of its own: modules are replaced, and stay so. The machine code is that of the `.mpy`
files that a board gets. Everything else (recoding, inversions, padding) is CPython's.
"""

import builtins
import sys
from types import ModuleType, TracebackType
from typing import Any

from host_tools.build import deploy
from host_tools.build.kernels import native
from tests.processors.emulator import Processor

MACHINES = ("_limbs", "_field", "plain")


def _stand_ins() -> None:
    """What a module of viper needs to be imported here; its functions are replaced after."""
    micropython = ModuleType("micropython")
    vars(micropython).update(viper=lambda function: function, const=lambda value: value)
    sys.modules["micropython"] = micropython
    for name in ("ptr8", "ptr16", "ptr32", "uint"):
        setattr(builtins, name, int)


class Kernels:
    def __init__(self, architecture: str, counts: bool = False, watches: bool = False) -> None:
        self.processor = Processor(architecture, counts, watches)
        folder = deploy.package_folder("mpy", architecture) / "crypto"
        self.code = {
            name: native.machine_code((folder / f"{name}.mpy").read_bytes())
            for name in ("_kernel", "_field", "_sha2")
        }

    def __enter__(self) -> "Kernels":
        self.processor.__enter__()
        _stand_ins()
        kernel = ModuleType("trustanchor.crypto._kernel")
        vars(kernel)["run"] = self._caller("_kernel")
        sys.modules[kernel.__name__] = kernel
        from trustanchor.crypto import _field, _limbs, _sha2, ecdsa, rsa, sha512

        self._modules: dict[str, Any] = {"_field": _field, "_limbs": _limbs, "plain": False}
        self._limbs = _limbs
        vars(_limbs)["run"] = self._caller("_kernel")
        vars(_field)["_run"] = self._caller("_field")
        vars(_sha2)["_run"] = self._caller("_sha2")
        self._ecdsa, self._rsa, self._sha512 = ecdsa, rsa, sha512
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.processor.__exit__(kind, error, trace)

    def use(self, machine: str) -> None:
        """Let this machine take the steps of ECDSA; RSA's and SHA-512's go with `_limbs`."""
        found = self._modules[machine]
        vars(self._ecdsa)["_machine"] = found
        is_native = machine != "plain"
        from trustanchor.crypto import _sha2

        vars(self._sha512)["_kernel"] = _sha2 if is_native else False
        # None in sys.modules: the import is refused, as where there is no such file.
        name = "trustanchor.crypto._limbs"
        sys.modules[name] = self._limbs if machine == "_limbs" else None  # type: ignore[assignment]

    def _caller(self, name: str) -> Any:
        return lambda *arguments: self.processor.call(self.code[name], *arguments)


def finish(steps: Any) -> Any:
    """Run a generator of the package to its end; return what it returns."""
    try:
        while True:
            next(steps)
    except StopIteration as done:
        return done.value
