"""A run seen from outside, by the kernel and by its own report: for the scripts that watch one."""
import datetime, os, platform, re, subprocess, time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
BINARY = os.environ.get("SCLIENTS", f"{ROOT}/target/release/sclients")


def read(path):
    """What a file of /proc holds; nothing where its process is gone."""
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def state(pid):
    """The letter of its state; none where it is gone."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1]


def lives(pid):
    return state(pid) not in ([], ["Z"], ["X"])


def children(supervisor, role):
    """Its children of this role that live: the slot of each, by pid."""
    found = {}
    for pid in read(f"/proc/{supervisor}/task/{supervisor}/children").split():
        named = re.match(rf"sclients: {role} (\d+)", read(f"/proc/{pid}/cmdline"))
        if named and lives(pid):
            found[int(pid)] = int(named[1])
    return found


def tagged(variable):
    """The processes that live and have this, as NAME=value, in their environment."""
    pids = filter(str.isdigit, os.listdir("/proc"))
    return [int(pid) for pid in pids if variable in read(f"/proc/{pid}/environ").split("\0") and lives(pid)]


def resident_kib(pid):
    found = re.search(r"VmRSS:\s+(\d+)", read(f"/proc/{pid}/status"))
    return int(found[1]) if found else None


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def origin():
    """When and where a result was made."""
    machine = f"{os.cpu_count()} processors, Linux {platform.release()}"
    return {"date": datetime.date.today().isoformat(), "machine": machine}


def total(counts):
    return sum(counts.values())


def ledger(report):
    """The identities of the ledger that do not hold."""
    requests, connections = report["requests"], report["connections"]
    identities = {
        "attempted = established + failed + pending": connections["attempted"]
        == connections["established"] + total(connections["failed"]) + connections["pending"],
        "established = live + closed + lost": connections["established"]
        == connections["live"] + total(connections["closed"]) + connections["lost"],
        "due = sent + not sent": requests["due"] == requests["sent"] + total(requests["not_sent"]),
        "sent = completed + failed + in flight + lost": requests["sent"]
        == requests["completed"] + total(requests["failed"]) + requests["in_flight"] + requests["lost"],
        "statuses are of what completed": total(report["statuses"]) == requests["completed"],
    }
    return [identity for identity, holds in identities.items() if not holds]


# A reading that took longer says too little of when it was.
READING_SECONDS_MAX = 0.06
READINGS = 5


class SentBytes:
    """What the kernel was handed by the sockets of each slot: its own count, not the program's.

    A slot keeps its source ports whoever works in it, so they are looked up once."""

    def __init__(self, supervisor):
        self.slots = {}
        workers = children(supervisor, "worker")
        for place, rest in parsed(sockets("-p")):
            pid = re.search(r"pid=(\d+)", rest)
            if pid and int(pid[1]) in workers:
                self.slots[place] = workers[int(pid[1])]
        sources = sorted({place.rpartition(":")[0] for place in self.slots})
        self.wanted = " or ".join(f"src = {source}" for source in sources).split()

    def take(self):
        """When, and the bytes of each slot."""
        best = self.reading()
        for _ in range(READINGS):
            if best[0] > READING_SECONDS_MAX:
                best = min(best, self.reading())
        _, at, text = best
        sums = {}
        for place, rest in parsed(text):
            sent = re.search(r"bytes_sent:(\d+)", rest)
            if place in self.slots and sent:
                slot = self.slots[place]
                sums[slot] = sums.get(slot, 0) + int(sent[1])
        return at, sums

    def reading(self):
        begun = time.monotonic()
        text = sockets("state", "established", *self.wanted)
        took = time.monotonic() - begun
        return took, begun + took / 2, text


def sockets(*words):
    return subprocess.run(["ss", "-tinH", *words], capture_output=True, text=True, check=True).stdout


def parsed(text):
    """Each socket's own end, and what is said of it."""
    lines = text.splitlines()
    for ends, more in zip(lines[::2], lines[1::2]):
        yield re.search(r"\S+:\d+", ends)[0], ends + more
