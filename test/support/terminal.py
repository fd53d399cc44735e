"""
Runs a command in a terminal of its own: `terminal.py COLUMNS ROWS command...`. What it writes comes out on stdout; lines on
stdin steer it: {"type": "text"} types, {"size": [columns, rows]} resizes, {"signal": 15} sends a signal. At the end a
line on stderr: the exit code, or minus the signal.
"""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios


def resize(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main():
    columns, rows, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    ready_in, ready_out = os.pipe()
    pid, fd = pty.fork()
    if pid == 0:
        os.close(ready_out)
        os.read(ready_in, 1)
        os.execvp(command[0], command)
    os.close(ready_in)
    resize(fd, columns, rows)
    os.write(ready_out, b"x")
    pending = b""
    watched = [fd, 0]
    while True:
        readable, _, _ = select.select(watched, [], [])
        if fd in readable:
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            if not data:
                break
            os.write(1, data)
        if 0 in readable:
            data = os.read(0, 65536)
            if not data:
                watched.remove(0)
                continue
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                order = json.loads(line)
                if "type" in order:
                    os.write(fd, order["type"].encode())
                if "size" in order:
                    resize(fd, *order["size"])
                if "signal" in order:
                    os.kill(pid, order["signal"])
    status = os.waitpid(pid, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    sys.stderr.write(f"{code}\n")


signal.signal(signal.SIGINT, signal.SIG_IGN)
main()
