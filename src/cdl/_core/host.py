"""What the machine, and the container around it, grant this process: processors and memory."""
import os


def read(path):
    """The text of a small system file, or None where it does not exist or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _groups(controller, root):
    """(folder, version) of every control group this process is in for a controller, innermost first.

    A limit of an outer group binds too. The path in /proc/self/cgroup is the host's: where a container sees only its
    own part of the tree it leads nowhere, and the top of what is mounted is the container's group.
    """
    for line in (read(root + "/proc/self/cgroup") or "").splitlines():
        controllers, group = line.split(":", 2)[1:]
        if controllers == "":
            version, mounts = 2, ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
        elif controller in controllers.split(","):
            version, mounts = 1, (f"/sys/fs/cgroup/{controllers}", f"/sys/fs/cgroup/{controller}")
        else:
            continue
        parts = group.strip("/").split("/")
        for mount in mounts:
            for depth in range(len(parts), -1, -1):
                yield "/".join([root + mount, *parts[:depth]]).rstrip("/"), version


def _numbers(text):
    """The integers of a limit file; "max", and whatever is not a number, is no limit."""
    words = (text or "").split()
    return [int(word) for word in words] if words and all(word.lstrip("-").isdigit() for word in words) else []


def cpu_quota(root=""):
    """Processors' worth of time the control groups allow, as a float; None where they set no limit."""
    quotas = []
    for folder, version in _groups("cpu", root):
        if version == 2:
            numbers = _numbers(read(folder + "/cpu.max"))
        else:
            numbers = _numbers(read(folder + "/cpu.cfs_quota_us")) + _numbers(read(folder + "/cpu.cfs_period_us"))
        if len(numbers) == 2 and numbers[0] > 0 and numbers[1] > 0:
            quotas.append(numbers[0] / numbers[1])
    return min(quotas, default=None)


def affinity():
    """Processors this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1


def processors(quota):
    """Threads that can run at once on the processors of `affinity` with a quota, rounded; at least 1."""
    return affinity() if quota is None else max(1, min(affinity(), int(quota + 0.5)))


def memory(root=""):
    """Bytes of (RAM, RAM and swap) this process may use."""
    try:
        ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        ram = 1 << 34  # a machine that does not tell: a usual laptop
    swap = 0
    for line in (read(root + "/proc/meminfo") or "").splitlines():
        if line.startswith("SwapTotal:"):
            swap = int(line.split()[1]) << 10
    limits = []
    for folder, version in _groups("memory", root):
        limits += _numbers(read(folder + ("/memory.max" if version == 2 else "/memory.limit_in_bytes")))
    limit = min((n for n in limits if n > 0), default=ram + swap)
    return min(ram, limit), min(ram + swap, limit)
