import os, sys, threading

def end_with_the_owner():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)

threading.Thread(target=end_with_the_owner, daemon=True).start()
folder, weights, context, slots, threads, port = sys.argv[1:]
sys.path.insert(0, folder)
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = weights
params.n_ctx = int(context)
params.n_parallel = int(slots)
params.cpuparams.n_threads = int(threads)
params.hostnames = ["127.0.0.1"]
params.port = int(port)
params.api_keys = [os.environ.pop("LLAMA_API_KEY")]
params.cache_prompt = False
params.cache_ram_mib = 0
try:
    server = xllamacpp.Server(params)
except Exception as error:
    sys.exit(str(error))
threading.Event().wait()
