#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the BTF of a kernel image as raw bytes: kernel_btf.py IMAGE OUT.

A kernel carries its BTF as one run of bytes, so no ELF parser is needed: unpack the image if it is
packed (an x86 bzImage, an EFI zboot image or a gzip file), then look for a BTF header whose numbers
agree with each other. The largest such run is the kernel's own; fragments in test data are smaller.
"""

import gzip
import lzma
import struct
import subprocess
import sys
import zlib

BTF_HEADER = struct.Struct("<HBBIIIII")
BTF_START = struct.pack("<HBBII", 0xEB9F, 1, 0, BTF_HEADER.size, 0)  # up to type_off, which is 0


def gunzip(data):
    return zlib.decompressobj(wbits=31).decompress(data)


def unzstd(data):
    # What follows the frame is not zstd and fails only after the frame has been written.
    return subprocess.run(
        ["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    ).stdout


UNPACK = (
    (b"\x1f\x8b", gunzip),
    (b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"\x28\xb5\x2f\xfd", unzstd),
)


def unpack(data):
    for magic, function in UNPACK:
        if data.startswith(magic):
            return function(data)
    sys.exit(f"kernel_btf.py: unknown compression, begins with {data[:6].hex()}")


def open_image(data):
    """The kernel proper inside DATA."""
    if data[0x202:0x206] == b"HdrS":  # Documentation/arch/x86/boot.rst
        setup = (data[0x1F1] or 4) + 1
        offset, length = struct.unpack_from("<II", data, 0x248)
        return unpack(data[setup * 512 + offset :][:length])
    if data[4:8] == b"zimg":  # drivers/firmware/efi/libstub/zboot-header.S
        offset, length = struct.unpack_from("<II", data, 8)
        return unpack(data[offset:][:length])
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    return data


def find_btf(image):
    """The largest consistent BTF in IMAGE, or empty."""
    best = b""
    at = image.find(BTF_START)
    while at >= 0:
        if at + BTF_HEADER.size <= len(image):
            fields = BTF_HEADER.unpack_from(image, at)
            type_len, str_off, str_len = fields[5:8]
            found = image[at : at + BTF_HEADER.size + str_off + str_len]
            whole = len(found) == BTF_HEADER.size + str_off + str_len
            if whole and str_off >= type_len > 0 and found.endswith(b"\0") and len(found) > len(best):
                best = found
        at = image.find(BTF_START, at + 1)
    return best


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: kernel_btf.py IMAGE OUT")
    with open(sys.argv[1], "rb") as f:
        btf = find_btf(open_image(f.read()))
    if not btf:
        sys.exit(f"kernel_btf.py: {sys.argv[1]}: no BTF in it")
    with open(sys.argv[2], "wb") as f:
        f.write(btf)


main()
