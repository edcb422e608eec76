#!/usr/bin/env python3
"""Server of chat completions in OpenAI's form, for checks without a model: stand-in-server.py QUESTIONS LOG

It is an oracle: it looks answers up in QUESTIONS (JSON lines with question, answer and group). The model "large" is
always right. The model "small" is right, and sure, about the first group and about questions whose prompt has notes
that name their group; elsewhere it is wrong and unsure. The first line of LOG is the port; each call adds a line.
"""
import http.server
import json
import re
import sys

with open(sys.argv[1], encoding="utf-8") as lines:
    QUESTIONS = [json.loads(line) for line in lines if line.strip()]
LOG = open(sys.argv[2], "w", encoding="utf-8", buffering=1)


def answer(model, messages):
    """Text of an answer, and the log-probability of each of its tokens."""
    prompt = "\n".join(message["content"] for message in messages)
    item = max(QUESTIONS, key=lambda item: prompt.rfind(item["question"]))
    group = item["group"]
    if model == "large":
        strategy = f"\nSTRATEGY:\nA question on {group}: multiply first, then subtract." if "STRATEGY:" in prompt else ""
        return item["answer"] + strategy, -0.01
    if group == QUESTIONS[0]["group"] or f"on {group}:" in prompt:
        return item["answer"], -0.02
    return "It could be one.\n#### 1", -1.2


class Handler(http.server.BaseHTTPRequestHandler):
    def send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.send(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in ("small", "large")]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions" or body.get("model") not in ("small", "large"):
            return self.send(404, {"error": {"message": "no such model", "type": "invalid_request_error"}})
        LOG.write(f"{body['model']}\n")
        text, sure = answer(body["model"], body["messages"])
        tokens = re.findall(r"\s*\S+|\s+$", text)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        if body.get("logprobs"):
            listed = [{"token": token, "logprob": sure, "bytes": list(token.encode()), "top_logprobs": []} for token in tokens]
            choice["logprobs"] = {"content": listed}
        prompt = sum(len(message["content"].split()) for message in body["messages"])
        usage = {"prompt_tokens": prompt, "completion_tokens": len(tokens), "total_tokens": prompt + len(tokens)}
        reply = {"id": "stand-in", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
        self.send(200, reply | {"usage": usage})

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
LOG.write(f"{server.server_port}\n")
server.serve_forever()
