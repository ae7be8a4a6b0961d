# lit configuration: a golden test is any file here with a RUN: line. %weft is the command, %FileCheck LLVM's FileCheck.
import os
import lit.formats

config.name = "golden"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".net", ".wir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.environ["WEFT_TEST_OUTPUT"]
config.environment["NO_COLOR"] = "1"
if os.environ.get("WEFT_SHARED_LLVM") == "1":
    config.available_features.add("shared-llvm")
config.environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "detect_leaks=0")
config.environment["WEFT_CACHE"] = os.path.join(config.test_exec_root, "cache")
config.environment["WEFT_CUDA_LIBRARY"] = "none"   # tests run on the host, also on a machine with a GPU, but where they say otherwise
config.substitutions += [
    ("%weft", os.environ["WEFT_BINARY"]),
    ("%FileCheck", "FileCheck-22 --dump-input-context=4"),
    ("%not", "not-22"),
    ("%split-file", "split-file-22"),
    ("%fakecuda", os.path.join(os.path.dirname(os.environ["WEFT_BINARY"]), "tests", "libfakecuda.so")),
    ("%examples", os.path.dirname(os.environ["WEFT_BINARY"])),
    ("%root", os.path.dirname(os.path.dirname(config.test_source_root))),
]
