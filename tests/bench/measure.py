"""What the benchmarks measure with: seconds of a command, works in turns, medians."""
import pathlib, resource, statistics, subprocess, sys, time

TOP = pathlib.Path(__file__).resolve().parents[2]


class Missing(Exception):
    """A part that this benchmark needs is not here."""


class Took(float):
    """Seconds by the clock; `cpu`: of the processors, the children's included."""
    cpu = 0.0


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(argv, cwd, env):
    start, cpu = time.perf_counter(), processor_seconds()
    done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    took = Took(time.perf_counter() - start)
    took.cpu = processor_seconds() - cpu
    if done.returncode != 0:
        sys.exit(f"`{' '.join(map(str, argv))}` failed with {done.returncode}:\n"
                 + (done.stdout + done.stderr).decode(errors="replace")[-4000:])
    return took


def in_turns(rounds, *works):
    """Seconds of each work, one after the other, so that a busy moment of the machine meets all of them."""
    times = [[] for _ in works]
    for _ in range(rounds):
        for kept, work in zip(times, works):
            kept.append(work())
    return times


def show(name, times, note=""):
    ms = sorted(t * 1000 for t in times)
    cpu = statistics.median(getattr(t, "cpu", 0) for t in times) * 1000
    print(f"  {name:<44}{statistics.median(ms):>9.1f} ms   {ms[0]:.1f} to {ms[-1]:.1f}"
          + (f", {cpu:.0f} ms of processor" if cpu else "") + note, flush=True)
    return statistics.median(times)
