"""Plugins for slipway in Python: one file, no dependencies, Python 3.8 or later. Copy it beside your plugin.

    plugin = Plugin("hello", version="1", summary="Says hello.")

    @plugin.action("greet", params={...JSON Schema...}, outputs={...})
    def greet(call):
        call.log("working\\n")
        return {"greeting": "Hello"}            # the outputs
        # raise Failed("2 of 9 tests are red")  # the answer is no
        # raise Error("no login", hint="…")     # there is no answer

    @greet.fingerprint                          # optional, as are preview and undo
    def fingerprint(call): ...

    plugin.serve()

Every call has a thread of its own. Anything printed goes to the step's log. PROTOCOL.md tells what is sent.
"""
import json
import os
import sys
import threading
import traceback

OLDEST, NEWEST = 1, 1  # the protocol numbers spoken here
MAX_LINE = 1 << 20


class Failed(Exception):
    """The action was done and its answer is no: a red test, an unhealthy rollout."""

    def __init__(self, why, exit_code=1, detail="", outputs=None, infrastructure=False):
        super().__init__(why)
        self.answer = {"ok": False, "failure": str(why), "exit_code": exit_code}
        if detail:
            self.answer["detail"] = detail
        if outputs:
            self.answer["outputs"] = outputs
        if infrastructure:
            self.answer["infrastructure"] = True


class Error(Exception):
    """The action cannot be done. `exit` is slipway's exit code: 2 usage, 3 login, 6 something is missing."""

    def __init__(self, message, hint="", detail="", exit=1, retryable=False):
        super().__init__(message)
        self.data = {"exit": exit, "hint": hint, "detail": detail, "retryable": retryable}


class Stopped(Error):
    """Raised by Call.check() after slipway has asked this call to stop."""

    def __init__(self):
        super().__init__("stopped", exit=130)


class Call:
    """One request: what slipway says about it, and ways to tell slipway what happens."""

    def __init__(self, plugin, id, params):
        self._plugin, self._id = plugin, id
        self.action = params.get("action", "")
        self.params = params.get("params") or {}
        self.outputs = params.get("outputs") or {}  # of the run that undo takes back
        self.secrets = params.get("secrets") or {}  # in run only
        self.env = params.get("env") or {}
        for name in ("project_dir", "cache_dir", "state_dir", "work_dir", "reports_dir", "run_id", "step"):
            setattr(self, name, params.get(name, ""))
        self.cancelled = threading.Event()  # set: stop soon, leave nothing half done

    def check(self):
        """Raises Stopped when the call is to stop; long loops ask now and then."""
        if self.cancelled.is_set():
            raise Stopped()

    def log(self, text, error=False):
        for at in range(0, len(text), 60000):
            params = {"id": self._id, "text": text[at:at + 60000]}
            if error:
                params["stream"] = "err"
            self._plugin._notify("log", params)

    def progress(self, text, current=0, total=0, unit=""):
        self._plugin._notify("progress", {"id": self._id, "text": text, "current": current, "total": total,
                                          "unit": unit})

    def event(self, kind, data):
        """kind: "artifact", "test.case", "rollout", "diagnostic" or "cache"."""
        self._plugin._notify("event", {"id": self._id, "kind": kind, "data": data})


class Action:
    def __init__(self, info, run):
        self.info, self.methods = info, {"run": run}

    def fingerprint(self, function):
        """What the outputs depend on beside the params; joins the cache key. Gets no secrets."""
        self.methods["fingerprint"] = function
        return function

    def preview(self, function):
        self.info["can_preview"] = True
        self.methods["preview"] = function
        return function

    def undo(self, function):
        self.info["can_undo"] = True
        self.methods["undo"] = function
        return function


class Plugin:
    def __init__(self, name, version, summary=""):
        self.name, self.version, self.summary = name, version, summary
        self._actions, self._calls, self._lock = {}, {}, threading.Lock()
        self._out_lock = threading.Lock()  # one writer at a time: lines stay whole

    def action(self, name, summary="", params=None, outputs=None, secrets=(), cacheable=False):
        def add(function):
            info = {"name": name, "summary": summary, "params": params or {"type": "object"},
                    "outputs": outputs or {"type": "object"}, "secrets": list(secrets), "cacheable": cacheable}
            self._actions[name] = Action(info, function)
            return self._actions[name]
        return add

    def serve(self):
        """Answers until stdin ends."""
        # stdout is for messages only: what else is printed, here or by programs started here, goes to stderr.
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        threads = []
        for line in sys.stdin.buffer:
            if not line.strip():
                continue
            try:
                message = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError):
                self._fail(None, -32700, "this line is no JSON")
                continue
            if not isinstance(message, dict) or not isinstance(message.get("method"), str):
                self._fail(None, -32600, "this is no request")
                continue
            params = message.get("params")
            params = params if isinstance(params, dict) else {}
            if "id" not in message:
                if message["method"] == "cancel":
                    with self._lock:
                        call = self._calls.get(params.get("id"))
                    if call:
                        call.cancelled.set()
            elif message["method"] == "initialize":
                self._answer(message["id"], {"protocol": {"min": OLDEST, "max": NEWEST}, "name": self.name,
                                             "version": self.version, "summary": self.summary,
                                             "actions": [a.info for a in self._actions.values()]})
            else:
                call = Call(self, message["id"], params)
                with self._lock:
                    self._calls[message["id"]] = call
                thread = threading.Thread(target=self._work, args=(message["id"], message["method"], call))
                threads = [t for t in threads if t.is_alive()] + [thread]
                thread.start()
        with self._lock:
            for call in self._calls.values():
                call.cancelled.set()
        for thread in threads:
            thread.join()

    def _work(self, id, method, call):
        try:
            if method not in ("run", "fingerprint", "preview", "undo"):
                return self._fail(id, -32601, f"there is no method `{method}`")
            action = self._actions.get(call.action)
            if action is None:
                return self._fail(id, -32602, f"there is no action `{call.action}`")
            function = action.methods.get(method)
            if function is None:
                return self._fail(id, -32601, f"`{call.action}` has no {method}")
            result = function(call)
            if method in ("run", "undo"):
                result = {"ok": True, "outputs": result or {}}
            self._answer(id, result)
        except Failed as failed:
            self._answer(id, failed.answer)
        except Error as error:
            self._fail(id, -32000, str(error), error.data)
        except Exception as error:  # a mistake in the plugin: tell it with its place
            self._fail(id, -32000, f"{type(error).__name__}: {error}",
                       {"exit": 70, "detail": "".join(traceback.format_exc().splitlines(True)[-12:])})
        finally:
            with self._lock:
                self._calls.pop(id, None)

    def _answer(self, id, result):
        self._send({"jsonrpc": "2.0", "id": id, "result": result})

    def _fail(self, id, code, message, data=None):
        error = {"code": code, "message": message}
        if data:
            error["data"] = data
        self._send({"jsonrpc": "2.0", "id": id, "error": error})

    def _notify(self, method, params):
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def _send(self, message):
        line = json.dumps(message).encode("utf-8")
        if len(line) > MAX_LINE:
            line = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "error": {
                "code": -32000, "message": f"the answer is too large: {len(line)} bytes"}}).encode("utf-8")
        with self._out_lock:
            self._out.write(line + b"\n")
            self._out.flush()
