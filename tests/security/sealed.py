"""The vault's format, read and written independently of the program: version(1) key id(8) nonce(12) wrapped key(32)
tag(16) nonce(12) ciphertext tag(16), AES-256-GCM, both layers authenticating the row's place."""
import ctypes
import ctypes.util
import hashlib
import json
import os
import struct

crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_gcm"):
    getattr(crypto, name).restype = ctypes.c_void_p
crypto.EVP_CIPHER_CTX_free.argtypes = [ctypes.c_void_p]
crypto.EVP_CipherInit_ex.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_char_p] * 2 + [ctypes.c_int]
crypto.EVP_CipherUpdate.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int), ctypes.c_char_p, ctypes.c_int]
crypto.EVP_CipherFinal_ex.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int)]
crypto.EVP_CIPHER_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_char_p]
GET_TAG, SET_TAG, TAG, NONCE = 0x10, 0x11, 16, 12


class NotAuthentic(Exception):
    pass


def gcm(key, nonce, associated, text, tag=None):
    """Encrypts to ciphertext + tag, or, given the tag, decrypts."""
    context = crypto.EVP_CIPHER_CTX_new()
    try:
        length, out = ctypes.c_int(), ctypes.create_string_buffer(len(text) + TAG)
        assert crypto.EVP_CipherInit_ex(context, crypto.EVP_aes_256_gcm(), None, key, nonce, 1 if tag is None else 0) == 1
        assert crypto.EVP_CipherUpdate(context, None, length, associated, len(associated)) == 1
        assert crypto.EVP_CipherUpdate(context, out, length, text, len(text)) == 1
        plain = out.raw[:len(text)]
        if tag is None:
            assert crypto.EVP_CipherFinal_ex(context, out, length) == 1
            made = ctypes.create_string_buffer(TAG)
            assert crypto.EVP_CIPHER_CTX_ctrl(context, GET_TAG, TAG, made) == 1
            return plain + made.raw
        crypto.EVP_CIPHER_CTX_ctrl(context, SET_TAG, TAG, tag)
        if crypto.EVP_CipherFinal_ex(context, out, length) != 1:
            raise NotAuthentic
        return plain
    finally:
        crypto.EVP_CIPHER_CTX_free(context)


def key_id(key):
    return hashlib.sha256(b"calbridge master key id\n" + key).hexdigest()[:16]


def associated(layer, place, id):
    fields = ["calbridge.vault.1", layer, *map(str, place), id]
    return b"".join(struct.pack(">I", len(f.encode())) + f.encode() for f in fields)


def seal(key, place, plain):
    id, own = key_id(key), os.urandom(32)
    layer = lambda k, name, text: (lambda nonce: nonce + gcm(k, nonce, associated(name, place, id), text))(os.urandom(NONCE))
    return b"\x01" + bytes.fromhex(id) + layer(key, "key", own) + layer(own, "data", plain)


def open_sealed(key, place, sealed):
    """Raises NotAuthentic for any key or place but its own."""
    if sealed[:1] != b"\x01" or sealed[1:9].hex() != key_id(key):
        raise NotAuthentic
    part = lambda k, name, text: gcm(k, text[:NONCE], associated(name, place, key_id(key)), text[NONCE:-TAG], text[-TAG:])
    own = part(key, "key", sealed[9:9 + NONCE + 32 + TAG])
    return part(own, "data", sealed[9 + NONCE + 32 + TAG:])


def tokens(key, row):
    """Of a row (id, person_id, provider, sealed) of the table connections."""
    return json.loads(open_sealed(key, ("connections", row[0], row[1], row[2]), row[3]))
