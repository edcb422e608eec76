#!/usr/bin/env python3
"""Model server with a set latency, for measurements: latency-server.py HOST PORT SECONDS LOG

It speaks chat completions in OpenAI's form. Answers and log-probabilities are drawn from a hash of the prompt, so equal
requests get equal answers; none of them is right on purpose. Each request adds a line to LOG: model, hash of the prompt.
"""
import asyncio
import hashlib
import json
import math
import sys

HOST, PORT, LATENCY = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
LOG = open(sys.argv[4], "w", encoding="utf-8", buffering=1)


def reply(body):
    """The answer to a request, as JSON."""
    prompt = json.dumps(body["messages"])
    digest = hashlib.sha256(prompt.encode()).digest()
    LOG.write(f"{body['model']} {digest.hex()}\n")
    number, sure = digest[0] % 20, (digest[1] + 1) / 257
    text = f"#### {number}" + ("\nSTRATEGY:\nAdd the numbers." if "STRATEGY:" in prompt else "")
    tokens = [{"token": "#### ", "logprob": -0.01}, {"token": str(number), "logprob": math.log(sure)}]
    usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": 2, "total_tokens": len(prompt) // 4 + 2}
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": {"content": tokens}}
    return json.dumps({"model": body["model"], "choices": [choice], "usage": usage}).encode()


async def serve(reader, writer):
    """Answers the requests of one connection, one after the other."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            body = json.loads(await reader.readexactly(length))
            data = reply(body)
            await asyncio.sleep(LATENCY)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    server = await asyncio.start_server(serve, HOST, PORT, backlog=1024)
    async with server:
        await server.serve_forever()


asyncio.run(main())
