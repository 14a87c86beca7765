"""Addresses of bitcoin and ethereum, by their checksums."""

import hashlib

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_ENDS = (1, 0x2BC830A3)  # BIP 173, and BIP 350's bech32m
_MASK = (1 << 64) - 1
_ROTATIONS = (
    *(1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44),
)
_LANES = (10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1)


def is_base58(found: str) -> bool:
    """Say if this is a bitcoin address with a right checksum (base58check: SHA-256 twice)."""
    number = 0
    for char in found:
        place = _BASE58.find(char)
        if place < 0:
            return False
        number = number * 58 + place
    if number >= 1 << 200:
        return False
    data = number.to_bytes(25, "big")
    check = hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()[:4]
    return data[0] in (0, 5) and check == data[-4:]


def is_bech32(found: str) -> bool:
    """Say if this is a bitcoin address with a right checksum (BIP 173 or BIP 350)."""
    if found != found.lower() and found != found.upper():
        return False
    prefix, _, rest = found.lower().rpartition("1")
    values = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    if any(char not in _BECH32 for char in rest):
        return False
    check = 1
    for value in values + [_BECH32.index(char) for char in rest]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATORS):
            check ^= generator if top >> place & 1 else 0
    return check in _BECH32_ENDS


def is_ethereum(found: str) -> bool:
    """Say if ``0x`` and 40 hex digits have the capitals that they should (EIP-55), or none."""
    digits = found[2:]
    if digits in (digits.lower(), digits.upper()):
        return len(set(digits.lower())) > 4
    codes = keccak_256(digits.lower().encode()).hex()
    pairs = zip(digits, codes, strict=False)
    return all(char == (char.upper() if code >= "8" else char.lower()) for char, code in pairs)


def keccak_256(data: bytes) -> bytes:
    """Return the hash of up to 135 bytes as ethereum has it: SHA-3 before its padding changed."""
    assert len(data) < 136
    block = bytearray(data.ljust(136, b"\0"))
    block[len(data)] ^= 0x01
    block[135] ^= 0x80
    lanes = [int.from_bytes(block[at : at + 8], "little") for at in range(0, 136, 8)] + [0] * 8
    register = 1
    for _ in range(24):
        lanes = _mix(lanes)
        constant = 0
        for power in range(7):  # the round's constant, from a shift register
            constant |= (register & 1) << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        lanes[0] ^= constant
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def _mix(lanes: list[int]) -> list[int]:
    """Apply theta, rho, pi and chi of FIPS 202, section 3.2."""
    columns = [
        lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)
    ]
    parity = [columns[x - 1] ^ _rotate(columns[(x + 1) % 5], 1) for x in range(5)]
    lanes = [lane ^ parity[place % 5] for place, lane in enumerate(lanes)]
    moving = lanes[1]
    for place, by in zip(_LANES, _ROTATIONS, strict=True):
        lanes[place], moving = _rotate(moving, by), lanes[place]
    mixed = []
    for row in range(0, 25, 5):
        five = lanes[row : row + 5]
        mixed += [five[x] ^ (~five[(x + 1) % 5] & _MASK & five[(x + 2) % 5]) for x in range(5)]
    return mixed


def _rotate(lane: int, by: int) -> int:
    return (lane << by | lane >> (64 - by)) & _MASK
