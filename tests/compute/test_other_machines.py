"""The vector routines on machines other than this one: compiled for some, and run with AVX-512 off.

Code for aarch64 is compiled to objects and read as assembly; nothing here runs it, and the summary says so.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from llvmlite import binding, ir

from shallow.compute import vector_ir
from shallow.compute.jit import target
from shallow.compute.registers import registers_of
from shallow.compute.vector_ir import EMITTERS, emitters_for

ARM, INTEL = "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"
NEON, AVX2, AVX512 = "+neon,+fp-armv8", "+avx2,+fma,+avx,+popcnt", "+avx512f,+avx512vl,+avx512bw,+avx512dq"
MACHINES = [
    pytest.param(ARM, "", NEON, id="neon", marks=pytest.mark.compiled_not_run(ARM)),
    pytest.param(INTEL, "haswell", AVX2, id="avx2"),
    pytest.param(INTEL, "skylake-avx512", f"{AVX2},{AVX512}", id="avx512"),
]
# Arguments that are numbers; the others are addresses and counts.
NUMBERS = ("beta", "keep", "kind", "largest", "push", "slope", "weight")
SCALAR = ("arrive", "peek", "yield_processor")  # where threads meet: no vectors
MULTIPLIES = ("multiply_tile", "multiply_4", "multiply_1", "forward_tile")


def assembly(name: str, triple: str, cpu: str, features: str, size: int) -> str:
    """The code of one routine as text; making the object file as well shows that it can be encoded."""
    held = registers_of(triple, features)
    assert held is not None
    emit = emitters_for(held)[name]
    module = ir.Module(name)
    module.triple = triple
    number = ir.DoubleType() if size == 8 else ir.FloatType()
    names = list(inspect.signature(emit).parameters)[1:]
    kinds = [number if what in NUMBERS else ir.IntType(64) for what in names]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    builder = ir.IRBuilder(function.append_basic_block())
    emit(vector_ir._Code(builder, held, size), *function.args)
    builder.ret_void()
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    machine = binding.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=3)
    parsed = binding.parse_assembly(str(module))
    parsed.verify()
    options = binding.create_pipeline_tuning_options(speed_level=3)
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(parsed, passes)
    assert machine.emit_object(parsed).startswith(b"\x7fELF")
    return str(machine.emit_assembly(parsed))


def count(pattern: str, text: str) -> int:
    return len(re.findall(pattern, text))


@pytest.mark.parametrize(("triple", "cpu", "features"), MACHINES)
@pytest.mark.parametrize("size", [8, 4], ids=["float64", "float32"])
@pytest.mark.parametrize("name", EMITTERS)
def test_a_routine_compiles_to_the_vector_instructions_of_the_machine(
    name: str, size: int, triple: str, cpu: str, features: str
) -> None:
    held = registers_of(triple, features)
    assert held is not None
    text = assembly(name, triple, cpu, features, size)
    if triple == ARM:
        register, fused = rf"\bv\d+\.{16 // size}[sd]\b", rf"\bfmla\tv\d+\.{16 // size}[sd]"
        add, counted = rf"\bfadd\tv\d+\.{16 // size}[sd]", r"\bcnt\tv\d+\.16b"
    else:
        letter, kind = {256: "y", 512: "z"}[held.bits], {8: "d", 4: "s"}[size]
        register, fused = rf"%{letter}mm\d+", rf"\bvfmadd\d+p{kind}\t.*%{letter}mm"
        # AVX2 counts by looking up nibbles
        add, counted = rf"\bvaddp{kind}\t.*%{letter}mm", rf"\bvpshufb\t.*%{letter}mm"
    rows = {"tile": held.tile, "4": 4, "1": 1}
    if name in MULTIPLIES:
        # a row of the tile is held.panel fused operations in the loop, and as many where it ends
        assert count(fused, text) >= 2 * held.panel * rows[name.split("_")[1]]
    if name == "look_up_tile":
        assert count(add, text) >= held.tile * held.panel * held.bits // 8 // size // 4
    if name == "fill_tables":
        assert count(add, text) >= 11  # sums of sixteen entries; five are single terms or nothing
    if name == "move_rows":
        assert count(fused, text) >= 2
    if name == "count_common_bits":
        assert count(counted, text) >= held.panel * held.count_columns
    assert (count(register, text) > 0) is (name not in SCALAR)
    calls = r"\bbl\t" if triple == ARM else r"\bcallq?\t"
    assert count(calls, text) == 0  # no fma, popcount or memory function of the C library


@pytest.mark.parametrize(("triple", "cpu", "features"), MACHINES)
@pytest.mark.parametrize("name", ["multiply_tile", "count_common_bits"])
def test_the_innermost_loop_keeps_its_sums_in_registers(
    name: str, triple: str, cpu: str, features: str
) -> None:
    text = assembly(name, triple, cpu, features, 8)
    blocks = re.split(r"^(?=\.LBB)", text, flags=re.MULTILINE)
    loops = [
        block for block in blocks if re.search(rf"\t{re.escape(block.split(':')[0])}$", block, re.MULTILINE)
    ]
    assert len(loops) >= 1
    assert [count(r"%rsp|%rbp|\bsp\b", loop) for loop in loops] == [0] * len(loops)


AVX512_OFF = """
import sys
from shallow.compute.registers import REGISTERS, Registers
assert REGISTERS == Registers(256, 16, 2), REGISTERS
sys.path.insert(0, sys.argv[1])
import test_vector_twins
test_vector_twins.check_everything((test_vector_twins.np.float64,))
import pytest
raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", sys.argv[1] + "/test_vector_ir.py"]))
"""


def without_avx512() -> dict[str, str]:
    """The environment in which Numba believes in a machine with AVX2 and no more."""
    _, features = target()
    kept = [name for name in features.split(",") if "avx512" not in name and "avx10" not in name]
    return {**os.environ, "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ",".join(kept)}


@pytest.mark.avx2
def test_with_avx512_off_routines_and_trainings_keep_their_bounds() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AVX512_OFF, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        env=without_avx512(),
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "numba" in done.stdout.splitlines()[0]
    assert re.search(r"^1\d\d passed", done.stdout, re.MULTILINE), done.stdout[-300:]
