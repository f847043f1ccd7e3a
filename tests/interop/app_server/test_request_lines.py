"""Lines that are odd in their form get the answers of the app-server, or none where it gives none."""

import json
from typing import Any

import pytest

from tests.interop.app_server.client import AppServer
from tests.interop.app_server.conftest import Reader

pytestmark = pytest.mark.interop

LIMITS = (
    *("1e2", "100.0", "1.0", "1E2", "-0", "-1", "-0.0", "0.5", "4294967295", "4294967296", "1e10", "1e999", "-1e999"),
    *("01", "+1", ".5", "1.", "0x1", "NaN", "Infinity", "1e-5", "0.00001", "1e-6", "1.5e300", "1e15", "1e16", "1.0E16"),
    *("0.10", "123456789.125", "9007199254740993.0", "100000000000000000000.0", "true", '"x"', "null", "[]", "{}"),
    *("18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809"),
    *(str(2**128 - 1), str(2**128), str(-(2**127)), str(-(2**127) - 1)),
)
THREAD_IDS = ("1e2", "18446744073709551616", "-5", "1.0", "true", "null", '{"a":1}', r'"\ud800"', r'"\ud83d\ude00"',
              '"a\tb"', '"\x7f"')  # fmt: skip
IDS = ("1e2", "1.0", "-1", '""', "9223372036854775807", "9223372036854775808", "null", "true", "[1]", "-0")
LIST_PARAMS = (
    *('{"archived":1}', '{"archived":"true"}', '{"archived":1e2}', '{"cwd":1e2}', '{"cwd":18446744073709551616}'),
    *('{"sortKey":{"created_at":null}}', '{"sortKey":{"created_at":1}}', '{"sortKey":{}}', '{"sortKey":1e2}'),
    *('{"sortKey":{"created_at":null,"x":1}}', '{"sortKey":{"nope":null}}', '{"sourceKinds":[{"cli":{}}]}'),
    *('{"sourceKinds":[{"cli":[]}]}', '{"sortDirection":{"asc":false}}'),
)
TRACES = ("5", "null", '"x"', "[]", "[null,5]", '{"traceparent":5}', '{"traceparent":"x"}', '{"tracestate":5}')
QUICK = '"cursor":"garbage"'
LOADED = '"method":"thread/loaded/list"'
OTHER = (
    '{"id":1,"method":"thread/list","method":"thread/loaded/list","params":{}}',
    f'{{"id":2,"id":1,{LOADED},"params":{{}}}}',
    f'{{"id":1,{LOADED},"params":{{}},"params":{{"limit":1}}}}',
    f'{{"id":1,{LOADED},"x":1,"x":2,"params":{{}}}}',
    f'{{"id":1,{LOADED},"params":{{"limit":1,"limit":2}}}}',
    f'{{"id":1,{LOADED},"params":{{"x":1,"x":18446744073709551616}}}}',
    f'{{"id":1,{LOADED},"x":18446744073709551616,"params":{{}}}}',
    f'{{"id":1,{LOADED},"params":{{"limit":"x","x":[{{"y":-9223372036854775809}}]}}}}',
    f'{{"id":1,{LOADED},"params":1e2}}',
    f'{{"id":1,{LOADED},"params":18446744073709551616}}',
    '{"id":1,"method":"thread/read","params":{"threadId":"a","threadId":"b"}}',
    '{"id":1,"jsonrpc":5,"method":"thread/loaded/list","params":{}}',
    f'{{"id":1,{LOADED},"params":{{}}}} x',
    f'{{"id":1,{LOADED},"params":{{}},}}',
    f' {{"id":1,{LOADED},"params":{{}}}} \r',
    f'{{"id":1,{LOADED},"params":{{"\\u006cimit":"x"}}}}',
    f'{{"id":1,{LOADED},"params":{{}},"result":{{}}}}',
    f'{{"id":1,{LOADED},"params":{{}},"error":{{"code":1,"message":"x"}}}}',
    '{"id":1,"m\\u0065thod":"thread\\/loaded\\/list","params":{}}',
    '{"id":1,"method":"thread/memoryMode/set","params":{"threadId":"a","mode":{"enabled":null}}}',
)
LINES = (
    *(f'{{"id":1,{LOADED},"params":{{"limit":{limit}}}}}' for limit in LIMITS),
    *(f'{{"id":1,"method":"thread/read","params":{{"threadId":{text}}}}}' for text in THREAD_IDS),
    *(f'{{"id":{text},{LOADED},"params":{{}}}}' for text in IDS),
    *(f'{{"id":1,"method":"thread/list","params":{{{QUICK},{params[1:]}}}' for params in LIST_PARAMS),
    *(f'{{"id":1,{LOADED},"params":{{}},"trace":{trace}}}' for trace in TRACES),
    *(f'{{"id":1,{LOADED},"params":{{"x":{"[" * deep}{"]" * deep}}}}}' for deep in (100, 125, 126, 500)),
    *(f'{{"id":1,{LOADED},"params":{"[" * deep}{"]" * deep}}}' for deep in (126, 127)),
    *(f'{{"id":1,{LOADED},"x":{"[" * deep}{"]" * deep},"params":{{}}}}' for deep in (126, 127)),
    *OTHER,
)
FENCES = 5
"""Requests that are answered after the line was looked at; of several at a time the later may be answered first."""


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:120])
def test_line_is_answered_as_by_the_real_binary(line: str, library: tuple[Reader, Reader]) -> None:
    theirs, ours = (reader.normal.of(_answers(reader.server, line)) for reader in library)

    assert ours == theirs


def _answers(server: AppServer, line: str) -> list[Any]:
    server.send_line(line.encode())
    for _ in range(FENCES):
        server.request("thread/loaded/list", {})
    answers = [message for message in server.take_kept() if "id" in message]
    return sorted(answers, key=json.dumps)
