# SPDX-License-Identifier: MIT
"""The viper field machine against Python integers, on random and on edge operands.

Where viper does not run (CPython, 64-bit MicroPython) both sides are the plain engine, and the
first test says so.
"""

import check
from check import IS_MICROPYTHON
from trustanchor.compat import finish, sha256
from trustanchor.crypto import _ecdsa_plain, ecdsa

_DOUBLE = 0xFF
_NEGATE = 0x40


def _points(on, coordinates):
    """Packed points, scaled for the machine; they need not be on the curve."""
    return b"".join(
        [(value * on.scale % on.p).to_bytes(on.size, "little") for value in coordinates]
    )


def _both(on, steps, coordinates):
    """The affine x of the steps by the machine and by the plain engine, None at infinity."""
    points = _points(on, coordinates)
    machine = ecdsa.kernel()
    answers = []
    x, z = finish(_ecdsa_plain.running(on, steps, points, True))
    answers.append(_affine(on, x, z))
    if machine:
        x, z = finish(machine.running(on, steps, points, machine.room(on)))
        answers.append(_affine(on, x * on.unscale, z * on.unscale))
    return answers


def _affine(on, x, z):
    inverse = ecdsa.inverse_of(z, on.p)
    return x * inverse * inverse % on.p if z % on.p else None


def _agree(on, steps, coordinates, what=""):
    answers = _both(on, [bytearray(steps)], coordinates)
    check.equal(answers[0], answers[-1], what)
    return answers[0]


def test_the_machine_runs_where_viper_has_32_bits():
    import sys

    machine = ecdsa.kernel()
    if IS_MICROPYTHON and sys.maxsize == 0x7FFFFFFF:
        check.true(bool(machine))
    else:
        print("field machine: not on this interpreter, plain engine against itself")
        check.false(machine)


def test_doublings_agree_on_edge_coordinates():
    """Formulas are polynomials: they must agree on any x and y, on the curve or not."""
    for bits in (256, 384):
        on = ecdsa.curve(bits)
        p = on.p
        edges = (1, 2, p - 1, p - 2, 1 << (bits - 1), (1 << (bits - 1)) - 1, 0x1FFF, p >> 1)
        wide = ((1 << (bits - 13)) - 1, p - (1 << 128), p - on.scale, on.unscale)
        for x in edges + wide:
            for y in edges[:4]:
                _agree(on, [16, _DOUBLE, _DOUBLE, _DOUBLE], [x, y], (bits, x, y))


def test_additions_agree_on_edge_coordinates():
    for bits in (256, 384):
        on = ecdsa.curve(bits)
        p = on.p
        edges = (1, p - 1, p - 2, 1 << (bits - 1), (1 << (bits - 13)) - 1, p >> 1, 3)
        for x in edges:
            for y in edges[:3]:
                steps = [16, _DOUBLE, 17, _DOUBLE, 17 | _NEGATE, 16, _DOUBLE]
                _agree(on, steps, [x, y, y + 5, x], (bits, x, y))


def test_long_runs_agree_on_random_operands():
    for bits in (256, 384):
        on = ecdsa.curve(bits)
        for seed in range(6):
            octets = b"".join([sha256(b"%d %d" % (seed, i)) for i in range(8)])
            coordinates = [
                int.from_bytes(octets[i : i + 64], "big") % on.p for i in range(0, 256, 64)
            ]
            steps = [16 + (octets[0] & 1)]
            for octet in octets[:60]:
                # Combs of G, the two points, both signs, in an order nobody chose.
                steps += [_DOUBLE] * (octet & 3)
                index = octet >> 2
                steps.append(index if index < 16 else (16 + (index & 1)) | (index << 1 & _NEGATE))
            found = _agree(on, steps, coordinates, (bits, seed))
            check.true(found is not None)


def test_multiples_of_the_generator_are_its_comb():
    """The last point of the comb is the sum of all teeth: computed by doubling and adding G."""
    for bits in (256, 384):
        on = ecdsa.curve(bits)
        steps = [16]
        for _ in range(4):
            steps += [_DOUBLE] * on.columns + [16]
        total = _agree(on, steps, on.base)
        check.equal(total, _agree(on, [15], on.base))
        check.true(total != _agree(on, [14], on.base))


def test_equal_and_opposite_operands_leave_zero_in_the_machine():
    machine = ecdsa.kernel()
    if not machine:
        return
    for bits in (256, 384):
        on = ecdsa.curve(bits)
        points = _points(on, on.base)
        for steps in ([16, 16], [16, 16 | _NEGATE], [16, 16, _DOUBLE, 16, 5, _DOUBLE, 3]):
            _, z = finish(machine.running(on, [bytes(steps)], points, machine.room(on)))
            check.equal(z % on.p, 0)
        _, z = finish(machine.running(on, [bytes([16, _DOUBLE, 16])], points, machine.room(on)))
        check.true(z % on.p != 0)


def test_the_plain_engine_completes_equal_and_opposite_operands():
    on = ecdsa.curve(256)
    points = _points(on, on.base)
    x, z = finish(_ecdsa_plain.running(on, [bytes([16, 16])], points, True))
    doubled = _affine(on, x, z)
    x, z = finish(_ecdsa_plain.running(on, [bytes([16, _DOUBLE])], points, True))
    check.equal(doubled, _affine(on, x, z))
    x, z = finish(_ecdsa_plain.running(on, [bytes([16, 16 | _NEGATE])], points, True))
    check.equal(z, 0)
    x, z = finish(_ecdsa_plain.running(on, [bytes([16, 16 | _NEGATE, 16])], points, True))
    check.equal(_affine(on, x, z), on.base[0])
