"""The codec against bytes written down from the specification, and against bytes nobody means."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.service_bus import codec, frames, messages
from tests.peers.service_bus.codec import DecodeError, Described, Symbol
from tests.peers.service_bus.frames import AmqpError

UNIQUE = UUID("00112233-4455-6677-8899-aabbccddeeff")

# Constructor bytes and widths: OASIS AMQP 1.0 part 1, section 1.6.
GOLDEN = [
    ("40", None),
    ("41", True),
    ("42", False),
    ("5601", True),
    ("5600", False),
    ("50ff", 255),
    ("60ffff", 65_535),
    ("43", 0),
    ("5207", 7),
    ("7000010000", 65_536),
    ("44", 0),
    ("53ff", 255),
    ("80000000ffffffffff", 0xFFFFFFFFFF),
    ("51ff", -1),
    ("61fffe", -2),
    ("54fd", -3),
    ("71fffffffc", -4),
    ("55fb", -5),
    ("81fffffffffffffffa", -6),
    ("723fc00000", 1.5),
    ("82bff8000000000000", -1.5),
    ("7300002603", "☃"),
    ("8300000000000003e8", 1000),
    ("9800112233445566778899aabbccddeeff", UNIQUE),
    ("a003010203", b"\x01\x02\x03"),
    ("b000000001ff", b"\xff"),
    ("a103e29883", "☃"),
    ("b1000000026869", "hi"),
    ("a3024f4b", Symbol("OK")),
    ("b3000000024f4b", Symbol("OK")),
    ("45", []),
    ("c003024142", [True, False]),
    ("d000000006000000024142", [True, False]),
    ("c106025201a10161", {1: "a"}),
    ("d1000000080000000252015202", {1: 2}),
    ("e0050350010203", [1, 2, 3]),
    ("f00000000d000000018100000000000000ff", [255]),
    ("005324" + "45", Described(0x24, [])),
    ("00a3037461" + "6741", Described(Symbol("tag"), True)),
]


@pytest.mark.parametrize(("raw", "value"), GOLDEN, ids=[raw for raw, _ in GOLDEN])
def test_values_are_read_as_the_specification_writes_them(raw: str, value: object) -> None:
    data = bytes.fromhex(raw)
    found, end = codec.decode(data)
    assert (found, type(found), end) == (value, type(value), len(data))
    assert codec.skip(data, 0) == len(data)


@pytest.mark.parametrize(
    ("encoded", "raw"),
    [
        (codec.encode(None), "40"),
        (codec.encode(True), "41"),
        (codec.uint(0), "43"),
        (codec.uint(255), "52ff"),
        (codec.uint(256), "7000000100"),
        (codec.ulong(0), "44"),
        (codec.ulong(16), "5310"),
        (codec.ulong(2**40), "800000010000000000"),
        (codec.ubyte(4), "5004"),
        (codec.ushort(1), "600001"),
        (codec.integer(-1), "54ff"),
        (codec.integer(202), "71000000ca"),
        (codec.long(-129), "81ffffffffffffff7f"),
        (codec.timestamp(1.5), "8300000000000005dc"),
        (codec.encode(UNIQUE), "9800112233445566778899aabbccddeeff"),
        (codec.encode("hé"), "a10368c3a9"),
        (codec.encode(Symbol("OK")), "a3024f4b"),
        (codec.encode(b"x" * 256), "b000000100" + "78" * 256),
        (codec.encode([]), "45"),
        (codec.encode(["a"]), "c00401a10161"),
        (codec.encode({"a": False}), "c10502a1016142"),
        (codec.longs([1, 2]), "f0000000150000000281" + "0000000000000001" + "0000000000000002"),
        (codec.encode([b"x" * 300]), "d000000135" + "00000001" + "b00000012c" + "78" * 300),
    ],
)
def test_values_are_written_as_the_specification_says(encoded: bytes, raw: str) -> None:
    assert encoded.hex() == raw


def test_a_bare_number_has_no_encoding() -> None:
    with pytest.raises(TypeError):
        codec.encode(5)


# Frames: part 2, section 2.3, and part 5, section 5.3.
@pytest.mark.parametrize(
    ("built", "raw"),
    [
        (frames.HEARTBEAT, "0000000802000000"),
        (frames.frame(0, frames.SaslOutcome(0), kind=1), "0000001002010000" + "005344c003015000"),
        (frames.frame(1, frames.End()), "0000000c02000001" + "00531745"),
        (frames.frame(0, frames.Detach(3, True)), "0000001102000000" + "005316c00402520341"),
        (
            frames.frame(1, frames.Disposition(True, 5, None, True, codec.described(0x24, b"\x45"))),
            "0000001702000001" + "005315c00a054152054041" + "00532445",
        ),
    ],
)
def test_frames_are_written_as_the_specification_says(built: bytes, raw: str) -> None:
    assert built.hex() == raw


def test_the_hand_laid_transfer_is_what_the_table_reads() -> None:
    payload, tag = bytes(range(256)) * 5, b"t" * 16
    pieces = frames.transfer_frames(3, 7, 9, tag, False, payload, 512)
    parsed = [frames.parse(piece) for piece in pieces]
    assert len(pieces) == 3
    assert all(len(piece) <= 512 and int.from_bytes(piece[:4], "big") == len(piece) for piece in pieces)
    assert {channel for _, channel, _, _ in parsed} == {3}
    assert b"".join(part for _, _, _, part in parsed) == payload
    first, *_, last = (each for _, _, each, _ in parsed)
    assert first == frames.Transfer(7, 9, tag, 0, False, True)
    assert last == frames.Transfer(7, None, None, None, False, False)


def test_a_message_that_just_fits_is_one_frame() -> None:
    whole = frames.transfer_frames(0, 0, 0, b"t" * 16, True, b"x" * 467, 512)
    assert [len(piece) for piece in whole] == [512]
    assert frames.parse(whole[0])[2] == frames.Transfer(0, 0, b"t" * 16, 0, True, False)


def test_an_error_has_three_fields_on_the_wire() -> None:
    """The SDK reads the third one, and hangs if it is not there."""
    error, _ = codec.decode(AmqpError("amqp:not-found", "gone").encoded())
    assert (error.descriptor, error.value[:2], len(error.value)) == (0x1D, ["amqp:not-found", "gone"], 3)
    assert error.value[2]


def test_a_stream_is_cut_into_headers_and_frames_wherever_it_breaks() -> None:
    whole = frames.SASL_HEADER + frames.HEARTBEAT + frames.frame(1, frames.End()) + frames.AMQP_HEADER
    splitter = frames.Splitter(512)
    pieces = [piece for at in range(len(whole)) for piece in splitter.feed(whole[at : at + 1])]
    assert pieces == [frames.SASL_HEADER, frames.HEARTBEAT, frames.frame(1, frames.End()), frames.AMQP_HEADER]


@pytest.mark.parametrize("size", [0, 7, 513, 2**32 - 1])
def test_a_frame_of_an_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(DecodeError):
        frames.Splitter(512).feed(size.to_bytes(4, "big") + b"\x02\x00\x00\x00")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_decode_error(data: bytes) -> None:
    try:
        _, end = codec.decode(data)
    except DecodeError:
        return
    assert 0 < end <= len(data)
    assert codec.skip(data, 0) == end


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_decode_error(data: bytes) -> None:
    for form in (0, messages.BATCH_FORMAT):
        try:
            messages.split(data, form)
        except AmqpError as error:
            assert error.condition == "amqp:decode-error"


@pytest.mark.parametrize("start", [b"\x00", b"\xc0\xff\x01", b"\xd1\x00\x00\xff\xff\x00\x00\x00\x02"])
def test_deep_nesting_is_refused(start: bytes) -> None:
    with pytest.raises(DecodeError):
        codec.decode(start * 5000 + b"\x40")


def section(code: int, value: bytes) -> bytes:
    return b"\x00\x53" + bytes((code,)) + value


def test_a_message_is_kept_byte_for_byte_but_for_what_the_broker_writes() -> None:
    annotations = codec.encode({Symbol("x-opt-custom"): codec.long(5), Symbol("x-opt-sequence-number"): codec.long(99)})
    properties = codec.sequence((codec.string("id"), *(codec.NULL,) * 9, codec.string("session")))
    application = codec.encode({"a": codec.uint(1)})
    body = section(0x75, codec.binary(b"one")) + section(0x75, codec.binary(b"two")) + section(0x78, codec.encode({}))
    header = section(0x70, codec.sequence((codec.NULL, codec.NULL, codec.uint(5000))))
    [found] = messages.split(
        header + section(0x72, annotations) + section(0x73, properties) + section(0x74, application) + body, 0
    )
    assert (found.message_id, found.session_id, found.ttl) == ("id", "session", 5.0)
    found.sequence, found.delivery_count = 12, 3
    out = messages.assemble(found, 1000.0)
    assert out.endswith(section(0x73, properties) + section(0x74, application) + body)
    written, _ = codec.decode(out, 3)
    assert written == [False, 4, 5000, None, 3]
    marks, _ = codec.decode(out, codec.skip(out, 3) + 3)
    assert (marks["x-opt-custom"], marks["x-opt-sequence-number"]) == (5, 12)
    assert marks["x-opt-locked-until"] == 1_000_000
    assert out.count(b"x-opt-sequence-number") == 1


def test_setting_application_properties_replaces_those_of_the_same_name() -> None:
    raw = section(0x74, codec.encode({"a": "old", "b": "kept"})) + section(0x75, codec.binary(b""))
    [found] = messages.split(raw, 0)
    found.set_application({"a": "new", "c": "more"})
    [again] = messages.split(messages.assemble(found, None), 0)
    value, _ = codec.decode(codec.mapping(again.application_count, again.application))
    assert value == {"a": "new", "b": "kept", "c": "more"}
