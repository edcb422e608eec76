#!/usr/bin/env python3
"""Stand-in for llama-server. Variables STAND_IN_… configure it; the file `diary` gets a line for each start, call and answer."""
import http.server, json, os, pathlib, sys, time

def setting(name, otherwise=""):
    return os.environ.get("STAND_IN_" + name, otherwise)

BUILD = setting("BUILD", "9999")
if sys.argv[1:] == ["--version"]:
    sys.exit(f"version: {BUILD} (0a1b2c3)")

def note(line):
    with open("diary", "a") as diary:
        diary.write(line + "\n")

def argument(name):
    return sys.argv[sys.argv.index(name) + 1]

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self):
        slot = int(argument("--ctx-size")) // int(argument("--parallel"))
        loading = self.path == "/health" and setting("LOADS")
        self.answer(503 if loading else 200, {"build_info": f"b{BUILD}-0a1b2c3", "default_generation_settings": {"n_ctx": slot}})

    def do_POST(self):
        note(f"begin {self.path}")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(float(setting("SECONDS", "0.01")))
        deaths = pathlib.Path("deaths")
        if deaths.exists() and int(deaths.read_text()) > 0:
            deaths.write_text(str(int(deaths.read_text()) - 1))
            print("this is too much for me", flush=True)
            os._exit(9)
        note("end")
        if setting("REFUSES") and setting("REFUSES") in json.dumps(body):
            return self.answer(400, {"error": {"code": 400, "message": "not this one", "type": "invalid_request_error"}})
        tokens = [{"token": token, "logprob": -0.1} for token in ["####", " 6"]]
        choice = {"finish_reason": "stop", "text": "#### 6", "message": {"content": "#### 6"}, "logprobs": {"content": tokens}}
        self.answer(200, {"model": argument("--model"), "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 2}})

    def log_message(self, *arguments):
        pass

note(f"start {argument('--port')} {argument('--model')}")
if setting("SAYS"):
    sys.exit(setting("SAYS"))
http.server.ThreadingHTTPServer(("127.0.0.1", int(argument("--port"))), Handler).serve_forever()
